"""Rows of JSON Lines and of JSON, with the lines they start on; neither needs the file in memory."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whet.data.scan import (
    CHUNK_BYTES,
    MAX_LINE_BYTES,
    Findings,
    Line,
    Refused,
    beginning,
    lines,
    parse,
    pieces,
)

# Under these names a list belongs to one row; under any other it may be the list of rows.
ROW_KEYS = {
    "messages",
    "conversations",
    "conversation",
    "prompt",
    "completion",
    "instances",
    "tools",
    "chosen",
}

# Finds where a value ends, without judging it; `parse` judges.
_ENDS = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\n\r]*")
_FIRST = re.compile(r"\[\s*+(.)?", re.DOTALL)


def json_lines(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield one row a line; a file that begins with a list or with a lone { is read as JSON instead."""
    first = next(iter(beginning(path)), "")
    if first[:1] == "[" or first == "{":
        notes.append("the file holds one JSON value, not one object a line")
        yield from _json_value(path, found, notes)
        return
    for number, text in lines(path, found):
        if not text.strip():
            continue
        try:
            yield from _row(number, parse(text), found)
        except Refused as error:
            found.add(number, str(error))


def json_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the rows of a list of objects, an object that holds one, one object, or one object a line."""
    first, second = [*beginning(path), "", ""][:2]
    if first[:1] == "{" and second and _whole(first):
        notes.append("the file holds one object a line (JSON Lines)")
        yield from json_lines(path, found, notes)
        return
    yield from _json_value(path, found, notes)


def _whole(text: str) -> bool:
    try:
        _ENDS.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _row(number: int, value: Any, found: Findings) -> Iterator[Line]:
    if isinstance(value, dict) and value:
        yield Line(number, value)
        return
    what = "an empty object" if value == {} else f"{json.dumps(value)[:40]}, not an object"
    found.add(number, f"a row is {what}; write {{column: value, ...}}")


class _Text:
    """A JSON file as a window of text that moves forward; memory stays near the longest row."""

    def __init__(self, path: Path, found: Findings) -> None:
        self.pieces = pieces(path, found)
        self.found = found
        self.buffer = ""
        self.place = 0
        self.line = 1

    def more(self) -> bool:
        """Read on, at least doubling what is ahead; return whether there was anything."""
        fresh = []
        wanted = max(CHUNK_BYTES, len(self.buffer) - self.place)
        while wanted > 0 and (piece := next(self.pieces, None)) is not None:
            fresh.append(piece)
            wanted -= len(piece)
        self.buffer = "".join([self.buffer[self.place :], *fresh])
        self.place = 0
        return any(fresh)

    def move(self, end: int) -> None:
        """Step over what has been read."""
        self.line += self.buffer.count("\n", self.place, end)
        self.place = end

    def peek(self) -> str:
        """Return the next character that is not a space, or "" at the end."""
        while True:
            space = _SPACE.match(self.buffer, self.place)
            self.move(space.end() if space else self.place)
            if self.place < len(self.buffer):
                return self.buffer[self.place]
            if not self.more():
                return ""

    def take(self, *wanted: str) -> str:
        """Step over one of the characters in `wanted` and return it."""
        if self.peek() not in wanted:
            seen = repr(self.peek()) if self.peek() else "the end of the file"
            raise self.found.stop(self.line, f"not valid JSON: expected {' or '.join(wanted)}, found {seen}")
        self.place += 1
        return self.buffer[self.place - 1]

    def value(self) -> tuple[int, str]:
        """Step over one value and return its line and its text."""
        self.peek()
        while True:
            try:
                _, end = _ENDS.raw_decode(self.buffer, self.place)
                if end < len(self.buffer):
                    break
                size = end - self.place  # a number may go on in the next piece
                if not self.more():
                    end = self.place + size
                    break
            except RecursionError:
                raise self.found.stop(self.line, "brackets nest more than 100 deep; flatten the row") from None
            except json.JSONDecodeError as error:
                if len(self.buffer) - self.place > MAX_LINE_BYTES:
                    what = f"not valid JSON, or a row over {MAX_LINE_BYTES // 2**20} MiB: {error.msg}"
                    raise self.found.stop(self._line_at(error.pos), what) from None
                where = error.pos - self.place
                if not self.more():
                    line = self._line_at(self.place + where)
                    raise self.found.stop(line, f"not valid JSON: {error.msg}") from None
        text, line = self.buffer[self.place : end], self.line
        self.move(end)
        if len(text) > MAX_LINE_BYTES:
            raise self.found.stop(line, f"the row is over {MAX_LINE_BYTES // 2**20} MiB; split it or remove it")
        return line, text

    def _line_at(self, place: int) -> int:
        return self.line + self.buffer.count("\n", self.place, place)


def _json_value(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    text = _Text(path, found)
    opening = text.peek()
    if opening == "[":
        yield from _list(text)
    elif opening == "{":
        yield from _object(text, notes)
    else:
        raise found.stop(text.line, f"not valid JSON: a list or an object was expected, found {opening!r}")
    if text.peek():
        what = "more text after the end of the JSON value; write a list, or one object a line in a .jsonl file"
        raise found.stop(text.line, what)


def _list(text: _Text) -> Iterator[Line]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        line, raw = text.value()
        try:
            yield from _row(line, parse(raw), text.found)
        except Refused as error:
            text.found.add(line, str(error))
        if text.take(",", "]") == "]":
            return


def _object(text: _Text, notes: list[str]) -> Iterator[Line]:
    """Yield the objects of the one list that the object holds, or the object itself as the only row."""
    start, members, container = text.line, [], None
    text.take("{")
    while text.peek() != "}":
        line, key = text.value()
        if not key.startswith('"'):
            raise text.found.stop(line, "not valid JSON: a key in double quotes was expected")
        text.take(":")
        name = _parsed(key, line, text.found)
        if text.peek() == "[" and name not in ROW_KEYS and _holds_objects(text):
            if container is not None:
                what = f"two lists of rows, {container!r} and {name!r}; keep the rows in one list"
                raise text.found.stop(text.line, what)
            container = name
            notes.append(f"rows are the list {name!r} of the file's one object")
            yield from _list(text)
        else:
            members.append(f"{key}:{text.value()[1]}")
        if text.peek() == ",":
            text.take(",")
        elif text.peek() != "}":
            text.take(",", "}")
    text.take("}")
    if container is None:
        value = _parsed("{" + ",".join(members) + "}", start, text.found)
        yield from _row(start, value, text.found) if value is not None else ()


def _parsed(raw: str, line: int, found: Findings) -> Any:
    try:
        return parse(raw)
    except Refused as error:
        found.add(line, str(error))
        return None


def _holds_objects(text: _Text) -> bool:
    """Return whether the list at the window's place begins with an object."""
    while True:
        ahead = _FIRST.match(text.buffer, text.place)
        if (ahead and ahead.group(1)) or not text.more():
            return bool(ahead and ahead.group(1) == "{")
