"""Plain text: a paragraph is what stands between blank lines."""

from collections.abc import Iterator
from pathlib import Path

from whet.data.documents.blocks import Block
from whet.data.scan import Findings, lines, not_text

MAX_LINES = 2_000_000


def text_lines(path: Path, found: Findings) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a file that should be UTF-8 text.

    Raises:
        Unreadable: its first bytes are those of another kind of file, or it is too long; why is among the findings.
    """
    if why_not := not_text(path):
        raise found.stop(0, why_not)
    for number, line in lines(path, found):
        if number > MAX_LINES:
            raise found.stop(number, f"has more than {MAX_LINES:,} lines; split the document")
        yield number, line


def text_blocks(path: Path, found: Findings, notes: list[str]) -> Iterator[Block]:
    """Yield the paragraphs of a text, with their line breaks."""
    held: list[str] = []
    start = 0
    for number, line in text_lines(path, found):
        if line.strip():
            start = start if held else number
            held.append(line.rstrip())
        elif held:
            yield Block("\n".join(held), start)
            held = []
    if held:
        yield Block("\n".join(held), start)
