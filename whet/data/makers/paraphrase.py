"""The same question in other words, with its answer."""

import re

from whet.data.makers import Bench, Discard, Making, ask, exchange_of, said
from whet.data.makers._passages import telling
from whet.types import Chat, Example, Message

__all__ = ["paraphrase"]

NEEDS = "questions with answers"
_KEPT = re.compile(r"\d+(?:[.,]\d+)*|\b[A-Z][A-Z0-9-]+\b|[\w.+-]+@[\w-]+\.\w+|https?://\S+")
MANNERS = (
    "as a customer in a hurry would", "more politely", "in simpler words", "in fewer words", "in more detail",
    "as one would in a chat", "as one would in a letter",
)  # fmt: skip


def paraphrase(example: Example, bench: Bench) -> Making:
    """Each question in other words; numbers, codes and addresses in it stay, and so does the answer."""
    before, answer = exchange_of(example)
    asked = before[-1].content
    manner = bench.draw.choice(MANNERS)
    reworded = said(
        (
            yield ask(
                f"Message:\n{asked}\n\nWrite this message again, {manner}, so that it means the same. "
                "Keep every name and number. Reply with the new message only.",
                32 + 2 * len(asked.split()),
            )
        )
    )
    if reworded.lower() == asked.lower():
        raise Discard("the words are the same")
    if set(_KEPT.findall(asked)) - set(_KEPT.findall(reworded)):
        raise Discard("a number, code or address was lost")
    if not 0.3 < len(reworded) / len(asked) < 3:
        raise Discard("it is far longer or shorter than what was asked")
    if len(asked.split()) > 3 and not {word for word in telling(asked) & telling(reworded) if not word.isdigit()}:
        raise Discard("it has nothing in common with what was asked")
    if isinstance(example, Chat) and example.label is not None and len(before) == 1:
        return [{"text": reworded, "label": example.label}]
    messages = (*before[:-1], Message(before[-1].role, reworded), Message("assistant", answer))
    return [{"messages": [message.as_dict() for message in messages]}]
