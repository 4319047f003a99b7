"""The XML parts packed in an office document, read piece by piece with an eye on what they may grow to."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.parsers import expat

from whet.data.unpack import FREE_BYTES, MAX_RATIO

MAX_XML = 128 * 2**20
MAX_DEPTH = 300
AGAIN = "open it in a word processor and save it as .docx again"
_CHUNK = 2**20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class Bad(Exception):
    """Why a document is not read on; the message is the problem's sentence."""


class Budget:
    """How much may still come out of a file of `size` bytes."""

    def __init__(self, size: int) -> None:
        self._left = min(MAX_XML, max(FREE_BYTES, MAX_RATIO * size))

    def spend(self, size: int) -> None:
        """Count what came out.

        Raises:
            Bad: it is more than a document has.
        """
        self._left -= size
        if self._left < 0:
            limits = f"more than {MAX_XML // 2**20} MiB, or to more than {MAX_RATIO} times its size"
            raise Bad(f"unpacks to {limits}, which no document does; split it if you trust it")


class Tree:
    """Takes the elements of a part as they go by; `path` has the names of those that are open, without namespace."""

    def __init__(self) -> None:
        self.path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the beginning of an element from the parser.

        Raises:
            Bad: it is nested too deep.
        """
        self.path.append(name.rpartition(" ")[2])
        if len(self.path) > MAX_DEPTH:
            raise Bad(f"its XML nests more than {MAX_DEPTH} deep; {AGAIN}")
        self.begins(self.path[-1], attributes)

    def end(self, name: str) -> None:
        """Take the end of an element from the parser."""
        self.ends(self.path.pop())

    def doctype(self, *_: object) -> None:
        """Refuse a document type: with it come entities, which may grow without end or name other files.

        Raises:
            Bad: always.
        """
        raise Bad(f"its XML declares a document type, which no DOCX may; {AGAIN}")

    def begins(self, name: str, has: dict[str, str]) -> None:
        """Take an element that begins, with its attributes."""

    def ends(self, name: str) -> None:
        """Take an element that has ended."""

    def says(self, text: str) -> None:
        """Take text in the element at the end of `path`."""


def attribute(has: dict[str, str], name: str) -> str:
    """Return an attribute whatever its namespace, or ""."""
    return next((value for key, value in has.items() if key.rpartition(" ")[2] == name), "")


def parsed(archive: zipfile.ZipFile, part: str, tree: Tree, budget: Budget) -> Iterator[None]:
    """Show a part to `tree`, one piece at each step.

    Raises:
        Bad: it is damaged, locked, or made to break readers.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = tree.doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.says
    parser.buffer_text = True
    try:
        if archive.getinfo(part).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Bad(f"is packed in a way that no DOCX is; {AGAIN}")
        with archive.open(part) as file:
            while chunk := file.read(_CHUNK):
                budget.spend(len(chunk))
                parser.Parse(chunk)
                yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as bad:
        raise Bad(f"the XML in it is damaged ({bad}); {AGAIN}") from None
    except _DAMAGED as bad:
        raise Bad(f"cannot be unpacked ({bad}); {AGAIN}, without a password") from None


def opened(content: bytes) -> zipfile.ZipFile:
    """Return an archive for reading.

    Raises:
        Bad: it is damaged.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGED as bad:
        raise Bad(f"cannot be unpacked ({bad}); {AGAIN}") from None
