"""A better and a worse reply to one prompt."""

from typing import Any

from whet.data.writers._turns import pair, tools, written
from whet.types import Example

__all__ = ["preference"]


def preference(example: Example) -> dict[str, Any]:
    """Return `prompt`, `chosen` and `rejected`, lists of messages; grades where they say more than the order."""
    row = pair(example, "preference")
    columns = {"prompt": written(row.messages), "chosen": written(row.replies[0]), "rejected": written(row.replies[1])}
    scores = dict(zip(("score_chosen", "score_rejected"), row.grades, strict=True)) if row.grades != (1.0, 0.0) else {}
    return {**columns, **scores, **tools(row)}
