"""Annotations exported from Label Studio as JSON-MIN: one in each row, beside the fields of its task."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any

from whet.config.tree import Data
from whet.data.scan import Line
from whet.data.shapes import ROWS, Reading, Report, Row, Table, Unusable, kind
from whet.data.shapes._annotators import Fields, Kind, Verdicts, text_kind
from whet.types import Example

__all__ = ["label_studio_min"]

MARKS = ("annotator", "annotation_id", "lead_time")
ABOUT = {"id", *MARKS, "created_at", "updated_at", "agreement"}
MOST = 1000  # annotations of a task


def label_studio_min(table: Table, data: Data) -> Reading | None:
    """`annotator`, `annotation_id` and `lead_time` beside a task's fields and one column for each control.

    The columns after `id` are what annotators said, or the one that `data.columns` names as `label`. Rows of one task
    that follow each other are read together: where they choose differently, the task is left out and named.
    """
    if not all(mark in table.names for mark in MARKS):
        return None
    wanted = data.columns.get("label")
    controls = [wanted] if wanted else _controls(table)
    readable = [(name, sort) for name in controls if (sort := _sort(table, name))]
    if not readable:
        return None
    control, sort = readable[0]
    left = [name for name in table.names if name not in ABOUT and name not in controls]
    fields = Fields([{name: row.get(name) for name in left} for row in table.rows], data)
    replies = fields.replies(sort)
    values = [value for row in table.rows if (value := _value(row.get(control), control)) is not None]
    if fields.asked is None or (sort in ("rating", "side") and not replies):
        return None
    verdicts = Verdicts(sort, fields.asked, replies, values, "tasks")
    if sort == "rating" and not verdicts.scaled:
        return None

    def convert(row: Row) -> list[Example]:
        said = [_value(line.row.get(control), control) for line in row[ROWS]]
        return verdicts.examples(row, [one for one in said if one is not None], str(row.get("id", "?")))

    how = f"{fields.asked} -> user, {control} -> {verdicts.how}"
    how += f", about {' and '.join(replies)}" if replies else ""
    note = table.say("label_studio_min", how, fields.asked, control, "id", *replies)
    return Reading(note, (fields.asked,), convert, gather=_tasks, told=verdicts.told)


def _controls(table: Table) -> list[str]:
    """Return the columns after the task's id: Label Studio writes the task's own fields before it."""
    if "id" not in table.names:
        return []
    row = next(row for row in table.rows if "id" in row)
    names = [*row, *(name for name in table.names if name not in row)]
    return [name for name in names[names.index("id") :] if name not in ABOUT]


def _sort(table: Table, control: str) -> Kind | None:
    values = table.values(control)
    keys = {key for value in values for key in _keys(value)}
    if keys - {"", "choices", "text", "rating", "selected"} or not values:
        return None
    if keys == {"rating"}:
        return "rating"
    if keys == {"selected"}:
        return "side"
    if "choices" in keys:
        return "labels"
    texts = [value for value in values if isinstance(value, str)]
    return "text" if "text" in keys else text_kind(control, texts) if keys == {""} else None


def _keys(value: Any) -> set[str]:
    """Return what a value is an object of; "" for a text."""
    if isinstance(value, dict):
        return set(value)
    if isinstance(value, list):
        return {key for one in value for key in _keys(one)}
    return {""} if isinstance(value, str) else {"number"}


def _value(value: Any, control: str) -> Any:
    """Return what an annotation says: a text, a number, or a tuple of several choices; None if nothing."""
    if isinstance(value, list) and len(value) == 1:
        return _value(value[0], control)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "\n\n".join(value)
    if isinstance(value, dict):
        for key in ("rating", "selected", "text", "choices"):
            said = value.get(key)
            if key == "choices" and isinstance(said, list):
                return tuple(sorted(map(str, said))) if len(said) > 1 else str(said[0]) if said else None
            if isinstance(said, list):
                return "\n\n".join(map(str, said)) or None
            if said is not None:
                return said
        raise Unusable(f"{control!r} is an object of {', '.join(value) or 'nothing'}; choices, text or rating are read")
    if value in (None, "", []):
        return None
    if not isinstance(value, str):
        raise Unusable(f"{control!r} is {kind(value)}, not what an annotator chose or wrote; export the task again")
    return value


def _tasks(rows: Iterable[Line], report: Report) -> Iterator[Line]:
    """Yield the rows of a task that follow each other as one."""
    for task, lines in groupby(rows, lambda line: line.row.get("id", object())):
        some = list(islice(lines, MOST + 1))
        if len(some) > MOST:
            report(some[0].number, f"over {MOST:,} annotations of task {str(task)[:40]}; give every task its own id")
        else:
            yield Line(some[0].number, {**some[0].row, ROWS: some})
