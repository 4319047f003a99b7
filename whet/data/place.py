"""Where a row belongs: the side that its file names for it, what it must stay together with, and when it was."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Row, Table, Unusable, kind
from whet.data.threads import time_of
from whet.types import SplitName

SPLITS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
}
GROUPS = (
    "conversation_id", "thread_id", "ticket_id", "session_id", "dialog_id", "dialogue_id", "user_id", "customer_id",
    "document_id", "doc_id", "passage_id", "group_id",
)  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """What a row's columns say about where it belongs; `time` is in seconds since 1970."""

    split: SplitName | None = None
    groups: tuple[str, ...] = ()
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that say where rows belong, of which there may be none."""

    split: str | None
    groups: tuple[str, ...]
    time: str | None

    def of(self, row: Row) -> Place:
        """Return where a row belongs.

        Raises:
            Unusable: a split that is none, a group that is no name, a time that is no time.
        """
        split = split_of(row, self.split)
        if self.split and split is None and row.get(self.split) not in (None, ""):
            raise Unusable(f"the split is {str(row[self.split])[:40]!r}; write train, validation or test")
        groups = []
        for column in self.groups:
            value = row.get(column)
            if isinstance(value, list | dict):
                raise Unusable(f"{column!r} is {kind(value)}, which names no group; write a name or a number")
            if value not in (None, ""):
                groups.append(f"{column}={value}")
        return Place(split, tuple(groups), when(row.get(self.time), self.time) if self.time else None)

    def notes(self, data: Data, table: Table) -> Iterator[str]:
        """Yield what a person should be told."""
        if self.split:
            yield f"column {self.split!r} says which rows are train, validation and test"
        if self.groups:
            yield f"rows of one {' or one '.join(map(repr, self.groups))} stay on one side"
        there = ", ".join(table.names)
        for key, column in (*(("group", name) for name in asked(data)), ("time", data.time)):
            if column and column not in table.names:
                yield f"data.{key}: there is no column {column!r}; the columns are {there}"


def columns(table: Table, data: Data) -> Columns:
    """Return which columns say where rows belong: those that the settings name, else those that are called so."""
    split = table.optional("split")
    named = any(split_of(row, split) for row in table.rows)
    groups = [table.optional(name) for name in GROUPS] if data.group is None else asked(data)
    time = data.time if data.time in table.names else None
    return Columns(split if named else None, tuple(name for name in groups if name in table.names), time)


def asked(data: Data) -> list[str]:
    """Return the columns that the settings name as those of groups."""
    return [name for name in data.group or () if name not in ("", "none")]


def split_of(row: Row, column: str | None) -> SplitName | None:
    """Return the side that a row names."""
    value = row.get(column) if column else None
    return SPLITS.get(value.strip().lower()) if isinstance(value, str) else None


def when(value: Any, column: str) -> float:
    """Return a time in seconds since 1970, or the number that a column puts rows in order by.

    Raises:
        Unusable: it is neither, or can mean several days.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = value.strip() if isinstance(value, str) else ""
    if number or _NUMBER.fullmatch(text):
        found = float(value)
        size = abs(found)
        return found / (1e6 if size >= 1e14 else 1e3 if size >= 1e11 else 1)
    time = time_of(value)
    if time is None:
        raise Unusable(f"{column!r} is {str(value)[:40]!r}, not a time; write it as 2026-03-01T09:30:00Z")
    return time
