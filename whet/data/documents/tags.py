"""HTML to tags and text in one pass, in linear time whatever the input; what is never closed ends with the file."""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_TAG = re.compile(
    r"<(/?+)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?+)*+)>",
)
_MARK = re.compile(r"<(?=[a-zA-Z!?]|/[a-zA-Z])")  # any other "<" is text
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]++))?+")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9a-fA-F]{8,}+);?+")
_CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f]")
RAW = {"script", "style", "xmp", "iframe", "noembed", "noframes"}  # their text is not for readers
_ESCAPABLE = {"textarea", "title"}  # their text has no tags
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW | _ESCAPABLE}


class Token(NamedTuple):
    """A tag that opens or closes, or text."""

    kind: str  # "open", "close" or "text"
    value: str  # the tag's name in small letters, or the text with its entities resolved
    line: int
    attributes: str = ""  # as written


def tokens(text: str) -> Iterator[Token]:
    """Yield the tags and the text of a page; comments, declarations and scripts are left out.

    Source: WHATWG HTML, section 13.2.5, of which this keeps what decides where text begins and ends. A quote that is
    never closed does not hide the rest.
    """
    at, line, counted = 0, 1, 0
    while at < len(text):
        mark = _MARK.search(text, at)
        stop = mark.start() if mark else len(text)
        if stop > at:
            yield Token("text", unescaped(text[at:stop]), line)
        line += text.count("\n", counted, stop)
        counted = stop
        at, tag = _markup(text, stop)
        if tag:
            kind, name, attributes = tag
            yield Token(kind, name, line, attributes)
            if kind == "open" and attributes.endswith("/"):
                yield Token("close", name, line)
            elif kind == "open" and name in _RAW_ENDS:
                close = _RAW_ENDS[name].search(text, at)
                stop = close.start() if close else len(text)
                if name in _ESCAPABLE:
                    yield Token("text", unescaped(text[at:stop]), line)
                at = stop


def unescaped(text: str) -> str:
    """Return a text with its entities resolved and without control characters."""
    if "&" in text:
        text = html.unescape(_LONG_NUMBER.sub("\ufffd", text))  # int() refuses thousands of digits
    return _CONTROL.sub("", text)


def attributes_of(written: str) -> dict[str, str]:
    """Return attributes by name in small letters; the first of two with one name counts."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(written):
        found.setdefault(name.lower(), unescaped(value.strip("\"'")).strip())
    return found


def _markup(text: str, at: int) -> tuple[int, tuple[str, str, str] | None]:
    """Return where the markup that begins at `at` ends, and the tag it is: kind, name, attributes."""
    if at >= len(text):
        return len(text), None
    if text.startswith("<!--", at):
        if text.startswith((">", "->"), at + 4):
            return text.find(">", at) + 1, None
        end = text.find("-->", at + 4)
        return (len(text) if end < 0 else end + 3), None
    if text.startswith(("<!", "<?"), at):
        end = text.find(">", at)
        return (len(text) if end < 0 else end + 1), None
    tag = _TAG.match(text, at)
    if not tag:  # no browser shows what follows a tag that is never closed
        return len(text), None
    return tag.end(), ("close" if tag[1] else "open", tag[2].lower(), tag[3].rstrip())
