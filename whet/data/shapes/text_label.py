"""A text and which of a fixed set of labels it has."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import exchange, needed
from whet.types import Chat

__all__ = ["text_label"]


def text_label(table: Table, data: Data) -> Reading | None:
    """`text` (or `sentence`, `utterance`, `review`) and `label` (or `intent`, `category`, `sentiment`).

    Labels that are numbers become text. The reply is the label, without surrounding spaces.
    """
    roles = data.columns
    if roles and data.shape is None and "label" not in roles:
        return None
    text = roles.get("text") or roles.get("prompt") or table.find("text", "sentence", "utterance", "review")
    label = roles.get("label") or table.find("label", "intent", "category", "sentiment")
    if text is None or label is None:
        return None
    if data.shape is None and table.kind(label) in ("a list", "an object"):
        return None

    def convert(row: Row) -> list[Chat]:
        name = needed(row, label).strip()
        return [exchange(needed(row, text), name, label=name)]

    note = table.say("text_label", f"{text} -> user, {label} -> assistant, one of the labels", text, label)
    return Reading(note, (text, label), convert)
