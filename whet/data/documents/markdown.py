"""Markdown, line by line: headings, lists, tables, code and paragraphs; marks within a line stay as written."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from whet.data.documents.blocks import Block, code, row
from whet.data.documents.text import text_lines
from whet.data.scan import Findings

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_FENCE = re.compile(r"[ \t]*+(`{3,}+|~{3,}+)([^`]*+)$")
_ITEM = re.compile(r"[ \t]*+(?:[-*+]|(\d{1,9})[.)])(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=++|-++)[ \t]*+$")
_RULE_OF_TABLE = re.compile(r"[ \t]*+\|?+(?:[ \t]*+:?+-++:?+[ \t]*+(?:\||$))++[ \t]*+$")
_CELLS = re.compile(r"(?<!\\)\|")
_FRONT = re.compile(r"[ \t]*+(?:#|- |-$|[}\])]|[\"']?[\w .-]{1,80}[\"']?[ \t]*+[:=])|[ \t]|$")

_Line = tuple[int, str]


def markdown_blocks(path: Path, found: Findings, notes: list[str]) -> Iterator[Block]:
    """Yield headings, paragraphs, list items, table rows and lines of code; front matter is left out.

    Source: CommonMark 0.31.2, sections 4 and 5, and GitHub Flavored Markdown 0.29, section 4.10, of which this reads
    what divides a text; HTML and quotes are paragraphs as they stand.
    """
    rows = list(text_lines(path, found))
    front = _front_matter(rows)
    if front:
        notes.append(f"front matter was left out (lines 1 to {front})")
    yield from _Page(rows[front:]).blocks()


def _front_matter(rows: Sequence[_Line]) -> int:
    """Return how many lines of settings stand before the text; what does not look like settings is text."""
    mark = rows[0][1].rstrip() if rows else ""
    if mark not in ("---", "+++"):
        return 0
    for at, (_, line) in enumerate(rows[1:], 2):
        if line.rstrip() == mark or (mark == "---" and line.rstrip() == "..."):
            return at if at > 2 else 0
        if not _FRONT.match(line) or (at == 2 and not line.strip()):
            return 0
    return 0


class _Page:
    """The lines of a document, and the paragraph that is open."""

    def __init__(self, rows: Sequence[_Line]) -> None:
        self._rows = rows
        self._at = 0
        self._held: list[str] = []
        self._start = 0
        self._tight = False
        self._listed = False  # indented lines belong to an item of a list

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks."""
        while self._at < len(self._rows):
            number, line = self._rows[self._at]
            if fence := _FENCE.match(line):
                yield from self._flush()
                yield from code(self._fenced(fence[1]))
            elif not self._held and not self._listed and line.startswith(("    ", "\t")) and line.strip():
                yield from code(self._indented())
            elif self._held and _RULE_OF_TABLE.match(line) and self._heads_table(line):
                yield from self._table()
            else:
                yield from self._line(number, line)
                self._at += 1
        yield from self._flush()

    def _line(self, number: int, line: str) -> Iterator[Block]:
        bare = line.strip()
        if heading := _HEADING.match(line):
            yield from self._flush()
            self._listed = False
            if title := _title(line[heading.end(1) :]):
                yield Block(title, number, len(heading[1]))
        elif not bare:
            yield from self._flush()
        elif self._held and not self._listed and (underline := _UNDERLINE.match(line)):
            yield Block(" ".join(self._held), self._start, 1 if underline[1][0] == "=" else 2)
            self._held = []
        elif _is_rule(bare):
            yield from self._flush()
            self._listed = False
        elif (item := _ITEM.match(line)) and not (self._held and not self._listed and item[1] not in (None, "1")):
            tight = bool(self._held)
            yield from self._flush()
            self._held, self._start, self._tight, self._listed = [line.rstrip()], number, tight, True
        else:
            if not self._held:
                self._start, self._tight = number, False
                self._listed = self._listed and line[0] in " \t"
            self._held.append(bare)

    def _flush(self) -> Iterator[Block]:
        if self._held:
            yield Block("\n".join(self._held), self._start, 0, self._tight)
        self._held = []

    def _fenced(self, mark: str) -> Iterator[_Line]:
        """Yield the lines of a fenced piece of code, its fences too; one that is not closed runs to the end."""
        closing = re.compile(rf"[ \t]*+{mark[0]}{{{len(mark)},}}+[ \t]*+$")
        yield self._rows[self._at]
        self._at += 1
        while self._at < len(self._rows):
            number, line = self._rows[self._at]
            self._at += 1
            yield number, line
            if closing.match(line):
                return

    def _indented(self) -> Iterator[_Line]:
        while self._at < len(self._rows):
            number, line = self._rows[self._at]
            if line.strip() and not line.startswith(("    ", "\t")):
                return
            self._at += 1
            yield number, line

    def _heads_table(self, rule: str) -> bool:
        """Return whether a line of dashes makes the line before it the head of a table."""
        return "|" in self._held[-1] and len(_cells(rule)) == len(_cells(self._held[-1]))

    def _table(self) -> Iterator[Block]:
        head = self._held.pop()
        above = bool(self._held)
        number = self._rows[self._at][0] - 1
        yield from self._flush()
        yield Block(row(_cells(head)), number, 0, above)
        self._at += 1
        while self._at < len(self._rows):
            number, line = self._rows[self._at]
            if not line.strip() or _HEADING.match(line) or _FENCE.match(line):
                return
            yield Block(row(_cells(line)), number, 0, True)
            self._at += 1


def _title(rest: str) -> str:
    """Return a heading's text without the number signs that may close it."""
    text = rest.strip()
    bare = text.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else text


def _is_rule(bare: str) -> bool:
    """Return whether a line is only drawn: ***, - - -, ___."""
    marks = "".join(bare.split()) if bare[0] in "-*_" else ""
    return len(marks) > 2 and len(set(marks)) == 1


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    if inside.endswith("|") and not inside.endswith("\\|"):
        inside = inside[:-1]
    return [cell.strip() for cell in _CELLS.split(inside)]
