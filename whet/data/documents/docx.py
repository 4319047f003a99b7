"""DOCX: paragraphs, headings, lists and tables of the text as it stands, with tracked deletions left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from whet.data.documents.blocks import Block, row
from whet.data.documents.parts import AGAIN, Bad, Budget, Tree, attribute, opened, parsed
from whet.data.scan import Findings

MAX_PARTS = 10_000  # pictures and the like in one file
_SKIPPED = {"del", "moveFrom", "Fallback", "instrText"}  # Fallback repeats what stands beside it, for older readers
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_HEADING = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_KNOWN = re.compile(r"title|heading ?[1-9]|list (?:bullet|number).*|toc ?\d|table of contents", re.IGNORECASE)


def docx_blocks(path: Path, found: Findings, notes: list[str]) -> Iterator[Block]:
    """Yield the paragraphs of the text, then of its footnotes and endnotes; places are numbers of paragraphs.

    A title is a heading of level 1, and "Heading 1" of level 2. Left out are the table of contents, headers and
    footers, comments, and what is deleted or moved away in tracked changes.

    Source: ISO/IEC 29500-1, sections 17.3, 17.4, 17.7, 17.11 and 17.13; no part may declare a document type
    (ISO/IEC 29500-2:2012, section 8.1.4).
    """
    content = path.read_bytes()
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise found.stop(0, "has a password, or is an old .doc file; save it as .docx without a password")
    if not content.startswith(b"PK"):
        raise found.stop(0, f"is not a DOCX file, whatever its name says; {AGAIN}")
    if content.count(b"PK\x01\x02") > MAX_PARTS:
        raise found.stop(0, f"has more than {MAX_PARTS:,} files packed in it, which no document has; {AGAIN}")
    try:
        with opened(content) as archive:
            names, budget = archive.namelist(), Budget(len(content))
            if not (main := _part(names, "document")):
                raise Bad("is a zip archive without a Word document in it; check that it is the right file")
            styles = _Styles()
            if part := _part(names, "styles"):
                for _ in parsed(archive, part, styles, budget):
                    pass
            text = _Text(styles)
            for part in (main, _part(names, "footnotes"), _part(names, "endnotes")):
                if part:
                    for _ in parsed(archive, part, text, budget):
                        yield from text.given()
    except Bad as bad:
        raise found.stop(0, str(bad)) from None
    if text.changed:
        notes.append("tracked changes: what was deleted or moved away was left out, what was added was read")


def _part(names: list[str], kind: str) -> str | None:
    pattern = re.compile(rf"word/{kind}\d*\.xml")
    return min((name for name in names if pattern.fullmatch(name)), default=None)


class _Styles(Tree):
    """What the styles of a document are called, in English whatever its language, and what they are based on."""

    def __init__(self) -> None:
        super().__init__()
        self._id = ""
        self._names: dict[str, str] = {}
        self._based_on: dict[str, str] = {}

    def begins(self, name: str, has: dict[str, str]) -> None:
        """See Tree."""
        if name == "style":
            self._id = attribute(has, "styleId")
        elif name == "name" and self.path[-2:-1] == ["style"]:
            self._names[self._id] = attribute(has, "val")
        elif name == "basedOn":
            self._based_on[self._id] = attribute(has, "val")
        elif name == "outlineLvl" and not _KNOWN.fullmatch(self._names.get(self._id, "")):
            level = attribute(has, "val")
            if level in set("012345678"):
                self._names[self._id] = f"heading {int(level) + 1}"

    def kind(self, style: str) -> str:
        """Return "title", "heading 1", "list bullet", "toc 1" or the like, from a style or what it is based on."""
        for _ in range(10):  # none is based on more, unless two are based on each other
            name = self._names.get(style, style)
            if _KNOWN.fullmatch(name):
                return name.lower()
            style = self._based_on.get(style, "")
        return ""


@dataclass(slots=True)
class _Paragraph:
    """A paragraph while it is open."""

    number: int
    parts: list[str] = field(default_factory=list)
    kind: str = ""
    listed: bool = False


@dataclass(slots=True)
class _Row:
    """A row of a table while it is open."""

    number: int
    cells: list[list[str]] = field(default_factory=list)


class _Text(Tree):
    """The paragraphs of a text; one in a text box stands before the one that holds the box."""

    def __init__(self, styles: _Styles) -> None:
        super().__init__()
        self.changed = False
        self._styles = styles
        self._skip = 0  # how many elements are open down to the one that is skipped
        self._number = 0
        self._open: list[_Paragraph] = []
        self._rows: list[_Row] = []
        self._below_row = False
        self._blocks: list[Block] = []

    def given(self) -> list[Block]:
        """Return the blocks that are complete, and forget them."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def begins(self, name: str, has: dict[str, str]) -> None:
        """See Tree."""
        if self._skip:
            return
        if name in _SKIPPED or name.endswith("PrChange"):
            self._skip = len(self.path)
            self.changed |= name in ("del", "moveFrom")
        elif name == "p":
            self._number += 1
            self._open.append(_Paragraph(self._number))
        elif name == "tbl":
            self._below_row = False
        elif name == "tr":
            self._rows.append(_Row(self._number + 1))
        elif name == "tc" and self._rows:
            self._rows[-1].cells.append([])
        elif self._open:
            self._within_paragraph(name, has)

    def _within_paragraph(self, name: str, has: dict[str, str]) -> None:
        paragraph = self._open[-1]
        if name in _BREAKS and self.path[-2:-1] == ["r"]:  # a tab elsewhere is a place on the ruler
            paragraph.parts.append(_BREAKS[name])
        elif name == "pStyle":
            paragraph.kind = self._styles.kind(attribute(has, "val"))
        elif name == "numId":
            paragraph.listed = attribute(has, "val") != "0"
        elif name == "outlineLvl" and not paragraph.kind and attribute(has, "val") in set("012345678"):
            paragraph.kind = f"heading {int(attribute(has, 'val')) + 1}"

    def says(self, text: str) -> None:
        """See Tree."""
        if self._open and not self._skip and self.path[-1] == "t":
            self._open[-1].parts.append(text)

    def ends(self, name: str) -> None:
        """See Tree."""
        if self._skip:
            self._skip = self._skip if len(self.path) >= self._skip else 0
        elif name == "p" and self._open:
            self._end_paragraph(self._open.pop())
        elif name == "tr" and self._rows:
            done = self._rows.pop()
            text = row(" ".join(cell) for cell in done.cells)
            if text and not self._in_cell(text):
                self._blocks.append(Block(text, done.number, 0, self._below_row))
                self._below_row = True

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        lines = (" ".join(line.split()) for line in "".join(paragraph.parts).split("\n"))
        text = "\n".join(line for line in lines if line)
        kind = paragraph.kind
        if not text or kind.startswith(("toc", "table of contents")) or self._in_cell(text):
            return
        heading = _HEADING.fullmatch(kind)
        if kind == "title" or heading:
            level = int(heading[1]) + 1 if heading else 1
            self._blocks.append(Block(text.replace("\n", " "), paragraph.number, level))
        elif paragraph.listed or kind.startswith("list"):
            self._blocks.append(Block(f"- {text}", paragraph.number, 0, True))
        else:
            self._blocks.append(Block(text, paragraph.number))

    def _in_cell(self, text: str) -> bool:
        """Return whether a text stands in a table, after adding it to the cell."""
        if not (self._rows and self._rows[-1].cells):
            return False
        self._rows[-1].cells[-1].append(text)
        return True
