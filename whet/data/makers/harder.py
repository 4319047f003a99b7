"""Variants of a task with one more demand, answered anew (Xu et al. 2023, arXiv:2304.12244, section 3.2)."""

from whet.data.makers import Ask, Bench, Discard, Making, ask, exchange_of, said
from whet.types import Example, Message

__all__ = ["harder"]

NEEDS = "questions with answers"
WAYS = (
    "add one more condition that the answer must meet", "ask for the reason too",
    "replace a general notion in it by a particular case", "make it need one more step of thought",
)  # fmt: skip


def harder(example: Example, bench: Bench) -> Making:
    """Each task made harder in one way, with a new answer."""
    before, _ = exchange_of(example)
    asked = before[-1].content
    way = bench.draw.choice(WAYS)
    changed = said(
        (
            yield ask(
                f"Task:\n{asked}\n\nRewrite the task so that it is a little harder: {way}. "
                "It must still make sense and be answerable. Reply with the new task only.",
                64 + 2 * len(asked.split()),
            )
        )
    )
    if changed.lower() == asked.lower():
        raise Discard("the task is the same")
    if len(changed) > 4 * len(asked) + 200:
        raise Discard("it is far longer than the task")
    question = (*before[:-1], Message("user", changed))
    answer = said((yield Ask(question, 384)))
    return [{"messages": [message.as_dict() for message in (*question, Message("assistant", answer))]}]
