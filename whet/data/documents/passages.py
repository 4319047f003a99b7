"""Documents to passages: whole sentences under one heading, nothing dropped."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from whet.data.documents.blocks import Block, Document, Passage
from whet.data.documents.readers import document
from whet.data.documents.sentences import cut
from whet.errors import UsageError

MOST = 1200
LEAST = 100  # a shorter limit would cut most sentences


class _Piece(NamedTuple):
    """A stretch of text that stays whole, and what joins it to the one before."""

    joint: str
    text: str
    place: int


def passages(path: str | Path | Document, most: int = MOST) -> list[Passage]:
    """Return the text of a document in passages of at most `most` characters, in order.

    A passage has consecutive paragraphs under one heading. A sentence is cut only if it is longer than `most`. Every
    word of the document is in the text or in the heading of a passage; a heading with nothing below it counts as text.

    Raises:
        DataError: the document cannot be read.
        UsageError: `most` is below 100, or the library that reads this kind is not installed.
    """
    if most < LEAST:
        raise UsageError(f"most: {most:,} characters are too few for a passage; allow at least {LEAST}")
    read = path if isinstance(path, Document) else document(path)
    return [
        Passage(text, f"{read.path}:{place}", heading, read.path)
        for heading, section in _sections(read.blocks)
        for place, text in _packed(section, most)
    ]


def _sections(blocks: Sequence[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Yield the body text that stands together, with the headings above it."""
    above: list[Block] = []
    path, section = "", list[Block]()
    for block, below in itertools.zip_longest(blocks, blocks[1:]):
        body = block
        if block.level:
            while above and above[-1].level >= block.level:
                above.pop()
            bare = below is None or 0 < below.level <= block.level
            if not bare:
                above.append(block)
            here = " > ".join(" ".join(one.text.split()) for one in above)
            if section and here != path:
                yield path, section
                section = []
            path = here
            if not bare:
                continue
            body = block._replace(level=0)
        section.append(body)
    if section:
        yield path, section


def _packed(blocks: Sequence[Block], most: int) -> Iterator[tuple[int, str]]:
    """Yield (place, text) with as much in each as fits; what stands tightly together is parted only if it must be."""
    held: list[str] = []
    size, place = 0, 0
    for pieces in _units(blocks, most):
        whole = sum(len(piece.joint) + len(piece.text) for piece in pieces)
        if held and whole <= most < size + whole:
            yield place, "".join(held)
            held, size = [], 0
        for joint, text, at in pieces:
            if held and size + len(joint) + len(text) > most:
                yield place, "".join(held)
                held, size = [], 0
            new = [joint, text] if held else [text.lstrip("\n")]
            place = place if held else at
            held += new
            size += sum(map(len, new))
    if held:
        yield place, "".join(held)


def _units(blocks: Sequence[Block], most: int) -> Iterator[list[_Piece]]:
    """Yield each paragraph, list, table or piece of code as the pieces it may be cut into."""
    unit: list[_Piece] = []
    for block in blocks:
        if unit and not block.tight:
            yield unit
            unit = []
        joint = "\n" if block.tight else "\n\n"
        if len(block.text) <= most:
            unit.append(_Piece(joint, block.text, block.place))
            continue
        for between, text in cut(block.text, most):
            unit.append(_Piece(between or joint, text, block.place))
            joint = ""
    if unit:
        yield unit
