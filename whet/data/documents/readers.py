"""From a file to a document: which reader takes which file, and what none of them takes.

| input | verdict |
|---|---|
| missing file, folder, pipe, no permission, empty file | refused |
| another ending than those of KINDS | refused, with the ending to save it as |
| over 64 MiB, 2,000,000 lines or tags, or 1,000,000 paragraphs | refused: split the document |
| UTF-16 or invalid UTF-8 (HTML: what its charset says), NUL | refused with line; see whet.data.scan |
| HTML nested any depth, tags and quotes never closed | read in linear time, as a browser shows it |
| DOCX that unpacks to over 128 MiB, or to over 200 times its size and 16 MiB | refused |
| DOCX with a document type (where XML entities are declared), or nested over 300 deep | refused |
| PDF or DOCX with a password | refused: save a copy without one |
| PDF without text (a scan) | refused: no text recognition is done here |
| PDF with over 5,000 pages, a page tree that leads back into itself, or too slow to read | refused |
| no words in it | refused |
"""

from pathlib import Path

from whet.data.documents.blocks import Block, Document, Reader
from whet.data.documents.docx import docx_blocks
from whet.data.documents.html import html_blocks
from whet.data.documents.markdown import markdown_blocks
from whet.data.documents.pdf import pdf_blocks
from whet.data.documents.text import text_blocks
from whet.data.scan import Findings, Unreadable, printable, refusal
from whet.errors import DataError

MAX_BYTES = 64 * 2**20
MAX_BLOCKS = 1_000_000
MAX_HEADING = 300  # characters; what is longer was only made to look like a heading

READERS: dict[str, Reader] = {
    ".md": markdown_blocks,
    ".markdown": markdown_blocks,
    ".txt": text_blocks,
    ".html": html_blocks,
    ".htm": html_blocks,
    ".pdf": pdf_blocks,
    ".docx": docx_blocks,
}
KINDS = tuple(READERS)
_SAVED_AS = {
    **dict.fromkeys((".doc", ".docm", ".odt", ".rtf", ".pages", ".wpd"), ".docx"),
    **dict.fromkeys((".ppt", ".pptx", ".odp", ".key", ".ps", ".djvu", ".tex"), ".pdf"),
    **dict.fromkeys((".epub", ".mobi", ".mht", ".mhtml", ".xml", ".xhtml", ".rst", ".adoc", ".org"), ".html"),
}


def document(path: str | Path) -> Document:
    """Return the headings and paragraphs of a document, by the ending of its name.

    Raises:
        DataError: it cannot be read, or has no words.
        UsageError: the library that reads this kind is not installed.
    """
    file = Path(path)
    found, notes = Findings(printable(file)), list[str]()
    blocks: list[Block] = []
    try:
        for block in _reader(file, found)(file, found, notes):
            if block.text.strip():
                long = block.level and len(block.text) > MAX_HEADING
                blocks.append(block._replace(level=0) if long else block)
            if len(blocks) > MAX_BLOCKS:
                raise found.stop(0, f"has more than {MAX_BLOCKS:,} paragraphs; split the document")
        if not blocks and not found.problems:
            raise found.stop(0, "has no words in it; check that it is the right file")
    except Unreadable:
        pass
    except OSError as error:
        found.add(0, f"cannot be read: {error.strerror or error}; copy the file to a sound disk")
    if found.problems:
        raise DataError(found.problems)
    return Document(found.path, _title(file, blocks), tuple(blocks), tuple(notes))


def _reader(path: Path, found: Findings) -> Reader:
    if why := refusal(path):
        empty = path.is_file() and not path.stat().st_size
        raise found.stop(0, "the file is empty; name a document with text in it" if empty else why)
    ending = path.suffix.lower()
    if ending not in READERS:
        kind = f"files ending in {ending}" if ending else "files without an ending"
        way = f"save it as {_SAVED_AS[ending]}" if ending in _SAVED_AS else f"save it as one of {', '.join(KINDS)}"
        raise found.stop(0, f"{kind} are not among the documents that can be read; {way}")
    if path.stat().st_size > MAX_BYTES:
        raise found.stop(0, f"is larger than {MAX_BYTES // 2**20} MiB; split the document, or leave out its pictures")
    return READERS[ending]


def _title(path: Path, blocks: list[Block]) -> str:
    highest = min((block.level for block in blocks if block.level), default=0)
    names = [block.text for block in blocks if block.level == highest > 0]
    return names[0] if len(names) == 1 else path.stem  # several are chapters
