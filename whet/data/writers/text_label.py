"""A text and its label."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import exchange
from whet.types import Chat, Example

__all__ = ["text_label"]


def text_label(example: Example) -> dict[str, Any]:
    """Return `text` and `label`."""
    system, asked, said = exchange(example, "text_label")
    if system:
        raise Unusable("text_label has no place for a system message; set data.instruction when you read it")
    if not isinstance(example, Chat) or example.label is None:
        raise Unusable("text_label holds labels, and the answer of this row is not one of a fixed set")
    return {"text": asked, "label": said}
