"""Questions about passages, with answers that the passage bears out."""

from hashlib import sha256

from whet.data.makers import Bench, Discard, Making, ask, passage_of, question_in, said
from whet.data.makers._passages import grounded, standing_alone
from whet.types import Example

__all__ = ["questions"]

NEEDS = "documents, or raw text"
LEAST = 80  # characters that a passage must have to be asked about
ASKED = (
    "a fact that it states", "a number, date, name or condition in it", "what someone has to do, and when",
    "why something is so", "what happens in a case that it speaks of",
)  # fmt: skip


def questions(example: Example, bench: Bench) -> Making:
    """A question about each passage and its answer, with the passage cited."""
    passage = passage_of(example)
    if len(passage) < LEAST:
        raise Discard("the passage is too short to ask about")
    about = bench.draw.choice(ASKED)
    question = question_in(
        (
            yield ask(
                f"Text:\n{passage}\n\nWrite one question that a person could ask who has not seen this text, about "
                f"{about}. The text must answer it. Name what you ask about; do not mention the text. "
                "Reply with the question only.",
                64,
            )
        )
    )
    standing_alone(question, passage)
    answer = said(
        (
            yield ask(
                f"Text:\n{passage}\n\nQuestion: {question}\n\nAnswer the question in one or two sentences, "
                "with what the text says and nothing else.",
                128,
            )
        )
    )
    grounded(answer, passage)
    if answer.rstrip(".").lower() in question.lower():
        raise Discard("the answer only repeats the question")
    return [{"question": question, "answer": answer, "cited": passage, "passage_id": _id(passage)}]


def _id(passage: str) -> str:
    return sha256(" ".join(passage.split()).encode()).hexdigest()[:16]
