"""Text as Markdown shows it, for cards: what strangers wrote is never markup."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

_MARKS = re.compile(r"([\\`*\[\]|~$#!{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; its cells are shown as they are."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(cell if line is lines[1] else inline(cell) for cell in line) + " |" for line in lines
    )


def inline(text: Any) -> str:
    """Return the text so that Markdown shows it as it is, on one line, in a table cell too."""
    line = re.sub(r"\s+", " ", str(text)).strip()
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKS.sub(r"\\\1", line)
    return re.sub(r"^([-+=])(?=\s|$|[-=])", r"\\\1", line)


def fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
