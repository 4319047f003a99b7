"""PDF, through pypdf: the lines of each page and the bookmarks. No pictures, no forms, no passwords."""

import io
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whet.data.documents.blocks import Block
from whet.data.documents.pages import Headings, named, paragraphs, without_contents, without_running_lines
from whet.data.scan import Findings, Unreadable, printable
from whet.errors import UsageError

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES = 5000
MAX_CHARACTERS = 64 * 2**20
SECONDS, SECONDS_A_PAGE = 60.0, 0.2  # for all pages together; as a rule a page takes a twentieth of a second
_PRINT = "open it in a viewer, print it to a new PDF and name that"
_LOCKED = "is encrypted; save a copy without a password (in a viewer: print to PDF) and name that"
_ODD = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LIGATURES = str.maketrans(
    {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
)


class _TooSlow(BaseException):
    """The time is over. Not an Exception, for pypdf goes on after those in the drawings of a page."""


def pdf_blocks(path: Path, found: Findings, notes: list[str]) -> Iterator[Block]:
    """Yield paragraphs, list items and, where bookmarks name them, headings; places are pages.

    Words parted at a line end are joined. Left out are the headers and footers that run through the pages.

    Raises:
        UsageError: pypdf is not installed.
        Unreadable: it cannot be read, or has no text; why is among the findings.
    """
    pages, headings = _contents(path, found, notes)
    bare = [number for number, lines in enumerate(pages, 1) if not lines]
    if len(bare) == len(pages):
        way = "run text recognition over it (ocrmypdf, for one) and name the result"
        raise found.stop(0, f"has no text, only pictures (a scan) or nothing; {way}")
    if bare:
        some = ", ".join(map(str, bare[:5])) + (" ..." if len(bare) > 5 else "")
        notes.append(f"{len(bare):,} of {len(pages):,} pages have no text (page {some}); pictures are not read")
    pages, running = without_running_lines(without_contents(pages, notes))
    if running:
        notes.append(f"lines that run through the pages were left out, such as {max(running, key=len)[:60]!r}")
    yield from paragraphs(pages, headings)


def _contents(path: Path, found: Findings, notes: list[str]) -> tuple[list[list[str]], Headings]:
    """Return the lines of each page and, by page, the bookmarks that lead there."""
    try:
        from pypdf import PdfReader, apply_configuration
    except ImportError:
        what = "reading PDF needs pypdf 7 or later; install it with pip install 'whet-llm[documents]'"
        raise UsageError(f"{found.path}: {what}") from None
    content = path.read_bytes()
    if b"%PDF-" not in content[:1024]:
        raise found.stop(0, "is not a PDF, whatever its name says; name the file by what it is, or export it again")
    number = 0
    try:
        with _quiet(), apply_configuration(page_tree_maximum_entries=2 * MAX_PAGES, jbig2dec_binary=None):
            reader = PdfReader(io.BytesIO(content))
            if reader.is_encrypted:
                raise found.stop(0, _LOCKED)
            count = len(reader.pages)
            if count > MAX_PAGES:
                raise found.stop(0, f"has {count:,} pages; split it into files of at most {MAX_PAGES:,}")
            tick, left = _clock(SECONDS + SECONDS_A_PAGE * count), MAX_CHARACTERS
            pages: list[list[str]] = []
            for number in range(1, count + 1):
                tick()
                text = reader.pages[number - 1].extract_text(visitor_operand_before=tick)
                left -= len(text)
                if left < 0:
                    raise found.stop(number, f"has more than {MAX_CHARACTERS:,} characters; split the document")
                pages.append(_lines(text))
            return pages, _bookmarks(reader, notes)
    except Unreadable:
        raise
    except _TooSlow:
        raise found.stop(number, f"takes longer to read than any document should; {_PRINT}") from None
    except Exception as error:  # pypdf says of itself that broken files may raise anything
        if "crypt" in str(error).lower():
            raise found.stop(0, _LOCKED) from None
        where = f"page {number:,} " if number else ""
        why = printable(" ".join(str(error).split())[:100]) or type(error).__name__
        raise found.stop(number, f"{where}cannot be read as PDF ({why}); {_PRINT}") from None


def _bookmarks(reader: "PdfReader", notes: list[str]) -> Headings:
    headings: Headings = {}
    try:
        waiting: list[tuple[Any, int]] = [(reader.outline, 1)]
        while waiting:
            entries, level = waiting.pop()
            for entry in entries:
                if isinstance(entry, list):
                    waiting.append((entry, level + 1))
                elif (page := reader.get_destination_page_number(entry)) is not None:
                    headings.setdefault(page + 1, {}).update(dict.fromkeys(named(str(entry.title or "")), level))
    except Exception as error:  # as above; the text is there without them
        notes.append(f"its bookmarks cannot be read ({type(error).__name__}), so its headings are taken for text")
    return headings


def _lines(text: str) -> list[str]:
    lines = (" ".join(line.split()) for line in _ODD.sub("", text.translate(_LIGATURES)).split("\n"))
    return [line for line in lines if line]


def _clock(seconds: float) -> Callable[..., None]:
    """Return what to call now and then, and what raises _TooSlow once the time is over."""
    end = time.monotonic() + seconds

    def tick(*_: object) -> None:
        if time.monotonic() > end:
            raise _TooSlow

    return tick


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what pypdf says of files it can repair from the screen."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
