"""What a document is made of, whatever its format, and what is cut from it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from whet.data.scan import Findings


class Block(NamedTuple):
    """One paragraph, list item, table row or line of code, or one heading."""

    text: str
    place: int
    """Where it begins, from 1: the line (.md, .txt, .html), the page (.pdf) or the paragraph (.docx)."""
    level: int = 0
    """0 for body text; headings count from 1, and what has a higher level stands below what has a lower one."""
    tight: bool = False
    """It stands directly below the block before it, as an item of a list, a row of a table or a line of code does."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read."""

    path: str
    title: str
    """Its one heading of the highest rank, or the file's name without its ending."""
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    """What a person should know: what was left out, and why."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document under one heading."""

    text: str
    source: str
    """Where it begins: "guide.md:12" is line 12 (.md, .txt, .html), "guide.pdf:12" is page 12 and "guide.docx:12" is
    paragraph 12, counted as the file stores them: those in tables count, and empty ones too."""
    heading: str
    """The headings above it, "Guide > Refunds", or "" if there are none."""
    document: str
    """The path of the document."""


Reader = Callable[[Path, Findings, list[str]], Iterator[Block]]


def row(cells: Iterable[str]) -> str:
    """Return a row of a table as one line; empty cells at its end are left out."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip("| ")


def code(lines: Iterable[tuple[int, str]]) -> Iterator[Block]:
    """Yield the lines of a piece of code; blank lines are kept, as one, at the beginning of the line after them."""
    blank, first = "", True
    for place, line in lines:
        if not line.strip():
            blank = "" if first else "\n"
            continue
        yield Block(blank + line.rstrip(), place, 0, not first)
        blank, first = "", False
