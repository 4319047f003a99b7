"""Prompts whose replies a grader judges."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools, written
from whet.types import Example, Prompt

__all__ = ["graded"]


def graded(example: Example) -> dict[str, Any]:
    """Return `messages`, all that the grader needs, and the row's `grader`."""
    if not isinstance(example, Prompt):
        raise Unusable(f"graded holds prompts for a grader, and this row is {kind_of(example)}")
    grader = {"grader": dict(example.grader)} if example.grader else {}
    return {"messages": written(example.messages), **example.item, **grader, **tools(example)}
