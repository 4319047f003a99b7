"""Preference pairs as OpenAI's fine-tuning files for DPO write them."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import pair, tools, written
from whet.types import Example

__all__ = ["openai_preference"]


def openai_preference(example: Example) -> dict[str, Any]:
    """Return `input`, `preferred_output` and `non_preferred_output`."""
    row = pair(example, "openai_preference")
    if row.grades != (1.0, 0.0):
        raise Unusable("openai_preference has no place for grades; use preference")
    given = {"messages": written(row.messages), **tools(row)}
    return {
        "input": given,
        "preferred_output": written(row.replies[0]),
        "non_preferred_output": written(row.replies[1]),
    }
