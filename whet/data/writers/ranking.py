"""Several replies to one prompt with a grade each."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools, written
from whet.types import Example, Preference

__all__ = ["ranking"]


def ranking(example: Example) -> dict[str, Any]:
    """Return `prompt`, `completions` and `scores`."""
    if not isinstance(example, Preference):
        raise Unusable(f"ranking holds preferences, and this row is {kind_of(example)}")
    replies = [written(reply) for reply in example.replies]
    return {
        "prompt": written(example.messages),
        "completions": replies,
        "scores": list(example.grades),
        **tools(example),
    }
