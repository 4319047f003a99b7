"""From a file to examples, or to every problem that stands in the way."""

import dataclasses
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from whet.config.tree import Data
from whet.data.formats import rows_of
from whet.data.scan import Findings, Line, Unreadable, printable, refusal
from whet.data.shapes import Reading, Row, Shape, Table, Unusable, kind
from whet.data.unpack import Unpackable
from whet.errors import DataError, Problem
from whet.plugins import find, names
from whet.types import Chat, Dataset, Example, Message, SplitName

FIRST_ROWS = 100
ORDER = ("messages", "sharegpt", "prompt_completion", "alpaca", "question_answer", "text_label", "text")
LAST = "fields"
ROLES = ("prompt", "completion", "context", "system", "label", "text", "messages")
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


def read(path: str | Path, data: Data | None = None) -> Dataset:
    """Return the examples in a file, and in `notes` how its columns were understood.

    The format follows the file's ending, or its beginning if the ending is unknown; the rows' shape follows
    `data.shape`, `data.columns` or the columns of the first hundred rows. `data.limit` is not applied.

    Raises:
        DataError: every problem, each with file, line and the way out.
        UsageError: `data.shape` names no shape.

    Example:
        read("faq.csv").notes[0] -> "read as question_answer: question -> user, answer -> assistant"
    """
    path, data = Path(path), data or Data()
    found = Findings(printable(path))
    if data.shape:
        find("data.shapes", data.shape)  # a name that is not one is said before anything is read
    if why := refusal(path):
        raise DataError([Problem(found.path, 0, why)])
    notes: list[str] = []
    rows = _rows(path, found, notes)
    if not rows:
        raise DataError(found.problems or [Problem(found.path, 0, "there are no rows in it; add some examples")])
    try:
        split = _split_column(rows, found)
        shape, reading = _recognised(Table(tuple(_without(line.row, split) for line in rows[:FIRST_ROWS])), data, found)
        examples = tuple(_examples(rows, reading, shape, split, data, found))
    except Unreadable:  # too many problems, or one that makes looking further pointless
        examples = ()
    if found.problems:
        raise DataError(sorted(found.problems, key=lambda problem: problem.line))
    labels = {example.label for example in examples if isinstance(example, Chat) and example.label is not None}
    told = (reading.note, *notes, *_told(reading, split, data, examples))
    return Dataset(examples, shape, told, tuple(sorted(labels)), {str(path): _digest(path)})


def _rows(path: Path, found: Findings, notes: list[str]) -> list[Line]:
    """Return the rows up to where the file cannot be read any further."""
    rows: list[Line] = []
    try:
        rows.extend(rows_of(path, found, notes))
    except Unreadable:
        pass
    except Unpackable as error:
        found.problems.append(Problem(found.path, 0, str(error)))
    except OSError as error:
        found.problems.append(Problem(found.path, 0, f"reading failed: {error.strerror or error}; try again"))
    return rows


def _split_column(rows: list[Line], found: Findings) -> str | None:
    """Return the column that says train, validation or test, if there is one and it says so."""
    column = Table(tuple(line.row for line in rows[:FIRST_ROWS])).optional("split")
    if column is None or not any(_split_of(line.row, column) for line in rows[:FIRST_ROWS]):
        return None
    for line in rows:
        value = line.row.get(column)
        if value not in (None, "") and _split_of(line.row, column) is None:
            found.add(line.number, f"the split is {str(value)[:40]!r}; write train, validation or test")
    return column


def _split_of(row: Row, column: str | None) -> SplitName | None:
    value = row.get(column) if column else None
    return SPLITS.get(value.strip().lower()) if isinstance(value, str) else None


def _without(row: Row, column: str | None) -> Row:
    return row if column is None else {name: value for name, value in row.items() if name != column}


def _recognised(table: Table, data: Data, found: Findings) -> tuple[str, Reading]:
    """Return the name of the first shape that knows these columns, and how it reads them.

    Raises:
        Unreadable: there is none; what to do about it is among the findings.
    """
    there = ", ".join(table.names)
    for role, column in data.columns.items():
        if role not in ROLES:
            found.add(0, f"data.columns names the role {role!r}; the roles are {', '.join(ROLES)}")
        elif column not in table.names:
            found.add(0, f"data.columns.{role} is {column!r}, but the columns are {there}")
    if found.problems and data.columns:
        raise Unreadable
    if data.shape:
        forced: Shape = find("data.shapes", data.shape)
        if reading := forced(table, data):
            return data.shape, reading
        wants = (forced.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        raise found.stop(0, f"data.shape is {data.shape}, which needs {wants}; the columns are {there}")
    for name, shape in _shapes():
        if reading := shape(table, data):
            return name, reading
    raise found.stop(0, _unknown(table, there))


@cache
def _shapes() -> tuple[tuple[str, Shape], ...]:
    """Return every shape in the order in which they are asked; installed ones come before the fallback."""
    others = sorted(set(names("data.shapes")) - {*ORDER, LAST})
    return tuple((name, find("data.shapes", name)) for name in (*ORDER, *others, LAST))


def _unknown(table: Table, there: str) -> str:
    if table.find("chosen") and table.find("rejected"):
        way = "data.columns.text=chosen"
        if table.find("prompt"):
            way = "data.columns.prompt=prompt data.columns.completion=chosen"
        return f"these rows are preference pairs; to learn from the chosen replies alone set {way}"
    return (
        f"cannot tell which columns are the question and the answer; the columns are {there}; "
        "set data.columns.prompt=COLUMN data.columns.completion=COLUMN"
    )


def _examples(
    rows: list[Line], reading: Reading, shape: str, split: str | None, data: Data, found: Findings
) -> Iterator[Example]:
    """Yield the examples of every row that can be used; the others are found."""
    kinds: dict[str, tuple[str, int]] = {}  # column -> what it holds, and the line that says so
    system = _instruction(reading, data)
    expected = " and ".join(repr(column) for column in reading.required)
    for number, row in rows:
        missing = [column for column in reading.required if column not in row]
        if missing:
            there = ", ".join(map(repr, row))
            what = f"no column {missing[0]!r}" if len(missing) < len(reading.required) else "a row of another shape"
            found.add(
                number,
                f"{what}: expected {expected} ({shape}), found {there[:200]}; complete or remove the row",
            )
            continue
        if drifted := _drift(row, number, reading, kinds):
            found.add(number, drifted)
            continue
        try:
            made = reading.convert(row)
        except Unusable as error:
            for what in error.whats:
                found.add(number, what)
            continue
        for example in made:
            yield _placed(example, f"{found.path}:{number}", _split_of(row, split), system)


def _drift(row: Row, number: int, reading: Reading, kinds: dict[str, tuple[str, int]]) -> str | None:
    """Return what is wrong if a column holds something else than in the first row that has it."""
    for column in (*reading.required, *reading.optional):
        value = row.get(column)
        if value is None:
            continue
        now = kind(value)
        first, line = kinds.setdefault(column, (now, number))
        if now != first:
            return f"{column!r} is {now} here and {first} on line {line}; write every row the same way"
    return None


def _placed(example: Example, source: str, split: SplitName | None, system: str | None) -> Example:
    """Return the example with where it comes from and where it goes, and a system message if it has none."""
    if isinstance(example, Chat) and system and example.messages[0].role != "system":
        messages = (Message("system", system), *example.messages)
        return dataclasses.replace(example, messages=messages, source=source, split=split)
    return dataclasses.replace(example, source=source, split=split)


def _instruction(reading: Reading, data: Data) -> str | None:
    return reading.instruction if data.instruction is None else data.instruction


def _told(reading: Reading, split: str | None, data: Data, examples: tuple[Example, ...]) -> Iterator[str]:
    system = _instruction(reading, data)
    if system and isinstance(examples[0], Chat):
        yield f"system message put before every row that has none: {system}"
    if split:
        yield f"column {split!r} says which rows are train, validation and test"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
