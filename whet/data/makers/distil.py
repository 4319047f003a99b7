"""The answers of a stronger model (Kim and Rush 2016, "Sequence-Level Knowledge Distillation", arXiv:1606.07947)."""

from whet.data.makers import Ask, Bench, Discard, Making, exchange_of, said
from whet.types import Example, Message, Prompt

__all__ = ["distil"]

NEEDS = "questions, with answers or without"


def distil(example: Example, bench: Bench) -> Making:
    """Each question with the answer of the model that makes the rows, instead of its own."""
    before = example.messages if isinstance(example, Prompt) else exchange_of(example)[0]
    if not before:
        raise Discard("there is no question")
    answer = said((yield Ask(before, 512)))
    return [{"messages": [message.as_dict() for message in (*before, Message("assistant", answer))]}]
