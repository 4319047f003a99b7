"""Raw text."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of
from whet.types import Example, Text

__all__ = ["text"]


def text(example: Example) -> dict[str, Any]:
    """Return `text`."""
    if not isinstance(example, Text):
        raise Unusable(f"text holds raw text, and this row is {kind_of(example)}; a model's template writes it as text")
    return {"text": example.text}
