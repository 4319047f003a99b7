"""Raw text."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import needed
from whet.types import Text

__all__ = ["text"]

BESIDE = {
    "id",
    "idx",
    "index",
    "uid",
    "uuid",
    "key",
    "url",
    "title",
    "source",
    "date",
    "timestamp",
    "meta",
    "metadata",
}


def text(table: Table, data: Data) -> Reading | None:
    """`text` alone, perhaps with columns that only say where it comes from (id, url, title, ...)."""
    roles = data.columns
    if roles and data.shape is None and set(roles) != {"text"}:
        return None
    column = roles.get("text") or table.find("text")
    if column is None:
        return None
    others = {name.casefold() for name in table.names if name != column}
    if data.shape is None and not roles and others - BESIDE:
        return None

    def convert(row: Row) -> list[Text]:
        return [Text(needed(row, column))]

    return Reading(table.say("text", f"{column} -> raw text, every token trains", column), (column,), convert)
