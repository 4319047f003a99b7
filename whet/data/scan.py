r"""What is let through before any parser sees a file, and where everything else is refused.

| input | verdict |
|---|---|
| missing file, folder, no permission, name with control characters | refused, file as a whole |
| pipe, socket, device | refused without being opened |
| empty file | refused, file as a whole |
| gzip, bzip2, xz, zstandard, zip of one file, by ending | unpacked as it is read, up to 200 times its size |
| gzip, zip, pickle, ... in a file that should be text | refused by its first bytes |
| UTF-8 byte-order mark | accepted and removed |
| UTF-16 or UTF-32 byte-order mark | refused: convert to UTF-8 |
| \n, \r\n and \r, mixed | each ends a line; inside a value they become \n |
| blank lines | skipped (kept inside a quoted CSV field) |
| a line, or a row of a JSON list, over 16 MiB | refused with its line; later lines are still read |
| invalid UTF-8 | refused with line and byte column |
| NUL, as a byte or as \u0000 | refused with line |
| half of a surrogate pair (\ud800) | refused with line: it cannot be written as UTF-8 again |
| brackets nested over 100 deep | refused with line, before parsing where lines allow |
| the same key twice in one object | refused, naming the key |
| NaN, Infinity, numbers beyond a 64-bit float, integers over 300 digits | refused: quote them or use null |
| more than 10,000 problems | reading stops there and says so |
"""

import codecs
import io
import itertools
import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from whet.data.unpack import opened
from whet.errors import Problem

MAX_LINE_BYTES = 16 * 2**20
MAX_DEPTH = 100
MAX_DIGITS = 300
MAX_PROBLEMS = 10_000
CHUNK_BYTES = 2**20

# Possessive, and an unclosed string runs to the end: linear in time whatever the input.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKET = re.compile(r"[^\[\]]++")
_CURLY = str.maketrans("{}", "[]")
_DEEP = "[" * (MAX_DEPTH + 1)
_PREFIX = 8192
_ODD_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_ODD_CHARACTER = re.compile("[\ud800-\udfff\0]")
_ODD_NAME = re.compile("[\0-\x1f\x7f\ud800-\udfff]")

_UNICODE_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PICKLE = "it is a pickle or an array of objects, which can run code when opened, so it is never read"
_NOT_TEXT = (
    (b"\x1f\x8b", "it is compressed with gzip; name it .gz or unpack it"),
    (b"PK\x03\x04", "it is a zip archive (or a spreadsheet, or a model file); unpack it, or save it as CSV"),
    (b"BZh", "it is compressed with bzip2; name it .bz2 or unpack it"),
    (b"\xfd7zXZ\0", "it is compressed with xz; name it .xz or unpack it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstandard; name it .zst or unpack it"),
    (b"\x93NUMPY", f"{_PICKLE}; save the rows as .jsonl"),
    *((bytes([0x80, version]), f"{_PICKLE}; save the rows as .jsonl") for version in range(2, 6)),
    (b"SQLite format 3\0", "it is an SQLite database; export the table as CSV"),
    (b"%PDF-", "it is a PDF; save its text as .txt"),
    *((mark, "it is a picture, and whet learns text") for mark in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")),
)


class Unreadable(Exception):
    """The rest of a file cannot be read; why is already among the findings."""


class Refused(ValueError):
    """One value is against the policy above; the message is the problem's sentence."""


class Findings:
    """The problems of one file, in the order they were met."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def add(self, line: int, what: str) -> None:
        """Note a problem.

        Raises:
            Unreadable: there are more than MAX_PROBLEMS.
        """
        self.problems.append(Problem(self.path, line, what))
        if len(self.problems) >= MAX_PROBLEMS:
            stopped = f"stopped reading after {MAX_PROBLEMS:,} problems; repair these first"
            self.problems.append(Problem(self.path, line, stopped))
            raise Unreadable

    def stop(self, line: int, what: str) -> Unreadable:
        """Note a problem after which nothing more can be read, and return what to raise."""
        self.add(line, what)
        return Unreadable()


class Line(NamedTuple):
    """One row: the line it starts on, and its columns."""

    number: int
    row: dict[str, Any]


def printable(path: str | Path) -> str:
    """Return a path as it may stand in a message: one line, valid UTF-8."""
    return _ODD_NAME.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), str(path))


def refusal(path: Path) -> str | None:
    """Return why a file cannot be read at all, or None. Never opens anything but a regular file."""
    if _ODD_NAME.search(str(path)):
        return "the file name has a control character or is not valid text; rename the file"
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "is a folder; name one file in it"
        if not stat.S_ISREG(mode):
            return "is a pipe, a socket or a device; write what it holds into a file first"
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        return "no such file; check the path (it is relative to where the command runs)"
    except PermissionError:
        return "may not be read by this user; change its permissions"
    except OSError as error:
        return f"cannot be opened: {error.strerror or error}"
    return None if head else "the file is empty; give it at least a few rows"


def not_text(path: Path) -> str | None:
    """Return why a file that opens cannot be text, judged by its first bytes, or None."""
    with opened(path) as file:
        head = file.read(16)
    for mark, name in _UNICODE_MARKS:
        if head.startswith(mark):
            return f"the text is {name}; convert it to UTF-8 (in an editor: save with encoding UTF-8)"
    return next((f"not a text file: {what}" for mark, what in _NOT_TEXT if head.startswith(mark)), None)


def beginning(path: Path) -> list[str]:
    """Return the lines of a file's first megabyte that are not blank, without judging them."""
    with opened(path) as file:
        text = file.read(CHUNK_BYTES).decode("utf-8-sig", "replace")
    return [line.strip(" \r") for line in re.split(r"[\r\n]+", text) if line.strip()]


def lines(path: Path, found: Findings) -> Iterator[tuple[int, str]]:
    """Yield every line that can be used, blank ones too, as (number from 1, text without its end).

    Memory stays within a few times MAX_LINE_BYTES whatever the file holds.
    """
    with opened(path) as file:
        for number, raw in enumerate(_raw_lines(file), 1):
            if raw is None:
                found.add(number, f"the line is over {MAX_LINE_BYTES // 2**20} MiB; split the row or remove it")
                continue
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                found.add(number, _not_utf8(raw[error.start], error.start + 1))
                continue
            if "\0" in text:
                found.add(number, _nul(text.index("\0") + 1))
                continue
            yield number, text.removeprefix("\ufeff") if number == 1 else text


def pieces(path: Path, found: Findings) -> Iterator[str]:
    r"""Yield a file's text in pieces of about a megabyte, lines ending in \n.

    Raises:
        Unreadable: the bytes are not UTF-8 or hold a NUL.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    ends = io.IncrementalNewlineDecoder(None, translate=True)
    line, column = 1, 1  # of the next byte
    with opened(path) as file:
        final = False
        while not final:
            chunk = file.read(CHUNK_BYTES)
            final = not chunk
            try:
                text = ends.decode(decoder.decode(chunk, final), final)
            except UnicodeDecodeError as error:
                good = bytes(error.object[: error.start]).decode("utf-8", "replace")
                line, column = _moved(line, column, ends.decode(good, True))
                found.add(line, _not_utf8(error.object[error.start], column))
                raise Unreadable from None
            if "\0" in text:
                line, column = _moved(line, column, text[: text.index("\0")])
                found.add(line, _nul(column))
                raise Unreadable
            line, column = _moved(line, column, text)
            yield text


def too_deep(text: str) -> bool:
    """Return whether brackets outside strings nest more than MAX_DEPTH deep. Each pass runs at C speed."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    return (len(text) > _PREFIX and _nests(text[:_PREFIX])) or _nests(text)  # most deep rows are so at once


def _nests(text: str) -> bool:
    brackets = _NOT_BRACKET.sub("", _STRING.sub("", text).translate(_CURLY))
    for _ in range(MAX_DEPTH):
        if _DEEP in brackets:
            return True
        fewer = brackets.replace("[]", "")  # every innermost pair at once
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return "[]" in brackets or brackets.count("[") > MAX_DEPTH


def parse(text: str) -> Any:
    """Return the JSON value in `text`, under the policy above.

    Raises:
        Refused: the sentence to show.
    """
    if too_deep(text):
        raise Refused(f"brackets nest more than {MAX_DEPTH} deep; flatten the row or remove it")
    try:
        value = _JSON.decode(text)
    except json.JSONDecodeError as error:
        raise Refused(f"not valid JSON at column {error.colno}: {error.msg}{_hint(text)}") from None
    except RecursionError:
        raise Refused(f"brackets nest more than {MAX_DEPTH} deep; flatten the row or remove it") from None
    if _ODD_ESCAPE.search(text):
        refuse_odd(value)
    return value


def _raw_lines(file: BinaryIO) -> Iterator[bytearray | None]:
    """Yield each line without its end, or None for one that is too long."""
    rest = bytearray()
    chunk = file.read(CHUNK_BYTES)
    while chunk:
        ends = b"\n" in chunk or b"\r" in chunk or rest.endswith(b"\r")
        rest += chunk
        if ends:
            parts = rest.splitlines(keepends=True)
            rest = bytearray() if rest.endswith(b"\n") else parts.pop()  # after "\r" a "\n" may still come
            for part in parts:
                yield line if len(line := part.rstrip(b"\r\n")) <= MAX_LINE_BYTES else None
        if len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\r"):
            yield None
            rest = bytearray()
            chunk = _past_line(file) or file.read(CHUNK_BYTES)
        else:
            chunk = file.read(CHUNK_BYTES)
    if rest:
        yield line if len(line := rest.rstrip(b"\r\n")) <= MAX_LINE_BYTES else None


def _past_line(file: BinaryIO) -> bytes:
    """Read to the end of the line, never back as the file may be unpacked on the way; return what was read beyond."""
    chunk = bytearray(CHUNK_BYTES)  # one buffer for all of it: a gigabyte passes in well under a second
    while size := file.readinto(chunk):  # type: ignore[attr-defined]
        ends = [place for place in (chunk.find(b"\n", 0, size), chunk.find(b"\r", 0, size)) if place >= 0]
        if ends:
            end = min(ends)
            beyond = bytes(chunk[end + 1 : size]) or file.read(CHUNK_BYTES)
            return beyond.removeprefix(b"\n") if chunk[end] == ord(b"\r") else beyond
    return b""


def _moved(line: int, column: int, text: str) -> tuple[int, int]:
    """Return line and byte column after `text`."""
    last = text.rfind("\n")
    if last < 0:
        return line, column + len(text.encode("utf-8", "replace"))
    return line + text.count("\n"), 1 + len(text[last + 1 :].encode("utf-8", "replace"))


def _not_utf8(byte: int, column: int) -> str:
    return f"not valid UTF-8 at byte column {column} (0x{byte:02x}); save the file as UTF-8"


def _nul(column: int) -> str:
    return f"a NUL byte at column {column}; remove it, or convert the file to UTF-8 if it is UTF-16"


def _hint(text: str) -> str:
    if re.match(r"\s*\{\s*'", text):
        return '; JSON wants double quotes ("), not single ones'
    if text.lstrip().startswith(("{", "[")) and not text.rstrip().endswith(("}", "]")):
        return "; the line seems cut off: one whole object a line"
    return ""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = sorted(key for key, _ in pairs)
        twice = next(one for one, other in itertools.pairwise(names) if one == other)
        raise Refused(f"the key {twice[:60]!r} stands twice in one object; keep one of them")
    return fields


def _constant(word: str) -> Any:
    raise Refused(f"{word} is not a JSON value; use null, or quote it")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Refused(f"an integer of {len(digits):,} digits; quote it to keep it as text")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Refused(f"the number {text[:40]} is too large; quote it to keep it as text")
    return value


def refuse_odd(value: Any) -> None:
    """Refuse what parsing has made but no file of JSON or database can hold: odd characters, infinite numbers."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and ("\0" in one or not one.isascii()) and (odd := _ODD_CHARACTER.search(one)):
            what = "a NUL (\\u0000)" if odd.group() == "\0" else f"half a surrogate pair (\\u{ord(odd.group()):04x})"
            raise Refused(f"the text holds {what}, which is not a character; remove it")
        elif isinstance(one, float) and math.isinf(one):
            raise Refused("a number is infinite, which JSON cannot say; use null, or quote it")


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_number)
