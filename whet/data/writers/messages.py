"""Conversations as OpenAI's chat API writes them."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools, written
from whet.types import Chat, Example

__all__ = ["messages"]


def messages(example: Example) -> dict[str, Any]:
    """Return `messages` and `tools`."""
    if not isinstance(example, Chat):
        raise Unusable(f"messages holds conversations, and this row is {kind_of(example)}")
    return {"messages": written(example.messages), **tools(example)}
