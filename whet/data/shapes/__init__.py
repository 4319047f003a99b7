"""What the rows of a file look like, one file per shape.

A shape is a module here whose one export has the module's name: a function `shape(table, data)`. It is shown
the first rows of a file and the data settings and returns a Reading, or None if rows are not of its shape.
Its docstring's first line says which columns it needs, and is shown when a forced shape does not fit.

The Reading's `convert` turns one row into examples (most shapes: exactly one), without source and split,
which the reader adds; it raises Unusable with what is wrong and the way out. `required` are the columns every
row must have; `optional` are others it reads. A system message derived from the columns is the reading's
`instruction`; the reader puts it, or `data.instruction`, before every conversation that has none of its own.

Where several rows make one example, `gather` takes all rows that are sound, and a place to report problems, and gives
rows that hold others under ROWS. What is known only after the last row (what was left out, and how often) is `told`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whet.config.tree import Data
from whet.data.scan import Line
from whet.types import Example

Row = Mapping[str, Any]
Report = Callable[[int, str], None]
"""Notes a problem: its line, and what is wrong with the way out."""
ROWS = "\0rows"
"""Under this name, which no column can have, a gathered row holds the Lines it was made of."""


class Unusable(ValueError):
    """A row that cannot be learned from; one sentence per problem, each with the way out."""

    def __init__(self, *whats: str) -> None:
        self.whats = whats
        super().__init__("; ".join(whats))


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of a file, from which a shape is recognised; `placing` columns say where rows belong."""

    rows: tuple[Row, ...]
    placing: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """Every column, in the order of first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def find(self, *wanted: str) -> str | None:
        """Return the column named like the first of `wanted` that half of the rows have, in any case."""
        for name in wanted:
            for column in self.names:
                if column.strip().casefold() == name and self._common(column):
                    return column
        return None

    def optional(self, *wanted: str) -> str | None:
        """Return the column named like the first of `wanted` that any row has, in any case."""
        named = {column.strip().casefold(): column for column in reversed(self.names)}
        return next((named[name] for name in wanted if name in named), None)

    def values(self, column: str) -> list[Any]:
        """Return the column's values, those that are there."""
        return [row[column] for row in self.rows if row.get(column) is not None]

    def _common(self, column: str) -> bool:
        return 2 * sum(column in row for row in self.rows) >= len(self.rows)

    def kind(self, column: str) -> str:
        """Return what the column's first value is: "text", "a number", "a list", ..."""
        values = self.values(column)
        return kind(values[0]) if values else "null"

    def listed(self, column: str) -> bool:
        """Say whether a column holds lists, also written as JSON in text (as in CSV)."""
        values = self.values(column)
        return bool(values) and all(
            isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("[{")) for value in values
        )

    def say(self, shape: str, how: str, *used: str | None) -> str:
        """Return the sentence that tells a person how the columns were read."""
        left = [name for name in self.names if name not in used and name not in self.placing]
        return f"read as {shape}: {how}" + (f"; columns not used: {', '.join(left)}" if left else "")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of a file are understood."""

    note: str
    required: tuple[str, ...]
    convert: Callable[[Row], Sequence[Example]]
    optional: tuple[str, ...] = ()
    instruction: str | None = None
    gather: Callable[[Iterable[Line], Report], Iterator[Line]] | None = None
    told: Callable[[], Sequence[str]] = tuple
    names: tuple[str, ...] = ()  # that data.columns may say, besides those of columns


Shape = Callable[[Table, Data], Reading | None]


def kind(value: Any) -> str:
    """Return what a JSON value is, in words."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list | tuple):
        return "a list"
    return "null" if value is None else "an object"
