"""Rows of CSV and TSV, with the lines they start on."""

import csv
from collections.abc import Iterator
from operator import ne
from pathlib import Path

from whet.data.formulas import shown
from whet.data.scan import MAX_LINE_BYTES, Findings, Line, Unreadable, beginning, lines


def csv_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the rows below the header, split at commas, or at semicolons or tabs if it has no comma."""
    first = next(iter(beginning(path)), "")
    delimiter = "," if "," in first else next((mark for mark in ";\t" if mark in first), ",")
    if delimiter != ",":
        notes.append(f"columns are separated by {'a semicolon' if delimiter == ';' else 'a tab'}, not a comma")
    yield from _table(path, found, delimiter, notes)


def tsv_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the rows below the header; columns are separated by tabs."""
    yield from _table(path, found, "\t", notes)


class _Feed:
    """The lines of a table for the csv module, remembering on which line the current row began."""

    def __init__(self, path: Path, found: Findings) -> None:
        self.lines = lines(path, found)
        self.start = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        number, text = next(self.lines)
        self.start = self.start or number
        return text + "\n"


def _table(path: Path, found: Findings, delimiter: str, notes: list[str]) -> Iterator[Line]:
    feed = _Feed(path, found)
    guarded = 0
    csv.field_size_limit(MAX_LINE_BYTES)
    header: list[str] | None = None
    table = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start = 0
        try:
            cells = next(table)
        except StopIteration:
            break
        except csv.Error as error:
            what = f"not a valid row: {error}; close the quote, and write a quote inside quotes as two"
            found.add(feed.start, what)
            if header is None or "limit" in str(error):
                raise Unreadable from None
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells, feed.start, found)
        elif len(cells) != len(header):
            what = f"{len(cells)} columns where the header has {len(header)}"
            found.add(feed.start, f"{what}; put quotes around a cell that holds a {delimiter!r} or a line break")
        else:
            said = list(map(shown, cells))
            guarded += sum(map(ne, said, cells))
            yield Line(feed.start, dict(zip(header, said, strict=True)))
    if guarded:
        notes.append(f"{guarded:,} cells have an apostrophe before = + - @ against spreadsheets; read without it")


def _header(cells: list[str], line: int, found: Findings) -> list[str]:
    names = [shown(cell.strip()) for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if not all(names):
        raise found.stop(line, f"column {names.index('') + 1} of the header has no name; name every column")
    if twice:
        raise found.stop(line, f"the header names {', '.join(twice)} twice; give every column its own name")
    return names
