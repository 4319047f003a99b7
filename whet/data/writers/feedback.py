"""One reply and what somebody thought of it."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools, written
from whet.types import Example, Feedback

__all__ = ["feedback"]


def feedback(example: Example) -> dict[str, Any]:
    """Return `prompt`, `completion` and `label`."""
    if not isinstance(example, Feedback):
        raise Unusable(f"feedback holds judged replies, and this row is {kind_of(example)}")
    if example.value not in (0, 1):
        raise Unusable("feedback is written as true and false, and this row has a rating in between")
    columns = {"prompt": written(example.messages), "completion": written(example.reply)}
    return {**columns, "label": bool(example.value), **tools(example)}
