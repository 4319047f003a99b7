"""Questions whose passage does not answer them, to learn to say so."""

from whet.data.makers import Bench, Discard, Making, ask, passage_of, question_in
from whet.data.makers._passages import standing_alone, telling
from whet.types import Example

__all__ = ["unanswerable"]

NEEDS = "documents, or raw text"
FAR = 0.5  # share of a question's telling words that the other passage may have at most
ABSTENTIONS = (
    "The text does not say.",
    "That cannot be told from the text.",
    "The text gives no answer to that.",
    "I cannot find that in the text.",
)


def unanswerable(example: Example, bench: Bench) -> Making:
    """A question about one passage put to another that does not answer it; the answer is that it does not."""
    passage = passage_of(example)
    question = question_in(
        (
            yield ask(
                f"Text:\n{passage}\n\nWrite one question that this text answers. Name what you ask about; "
                "do not mention the text. Reply with the question only.",
                64,
            )
        )
    )
    standing_alone(question, passage)
    words = telling(question)
    texts = [text for one in bench.others if (text := getattr(one, "text", "").strip()) and text != passage]
    far = [text for text in texts if len(words & telling(text)) <= FAR * len(words)]
    if not far:
        raise Discard("no other passage is about something else")
    other = max(bench.draw.sample(far, min(8, len(far))), key=lambda text: len(words & telling(text)))  # a near miss
    heard = yield ask(
        f"Text:\n{other}\n\nQuestion: {question}\n\nDoes the text answer the question? Reply with yes or no only.",
        4,
        "judge",
    )
    if not heard.strip().lower().startswith("no"):
        raise Discard("the judge thinks that the other passage may answer it")
    return [{"context": other, "question": question, "answer": bench.draw.choice(ABSTENTIONS)}]
