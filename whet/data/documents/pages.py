"""From the lines of printed pages to paragraphs: what runs through all pages goes, what a page cut is joined."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from whet.data.documents.blocks import Block

Headings = dict[int, dict[str, int]]  # page: what is named there: level

_EDGE = 2  # lines at the top and at the bottom of a page that may be a header or a footer
_LEAST, _NUMBERED = 3, 2  # pages; a line with the page's own number runs on fewer (through a chapter)
_SHARE = 0.4  # of the pages: left and right pages may have different headers
_NUMBER = re.compile(r"[0-9]{1,6}")
_ROMAN = re.compile(r"(?=.)(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_LEADING_NUMBER = re.compile(r"(?:[A-Z]|[0-9]{1,4})(?:\.[0-9]{1,4})*\.?\s+")
_ITEM = re.compile(r"(?:[-*\u2022\u25e6\u25aa\u2023\u00b7\u2013]|[0-9]{1,3}[.)]|\(?[a-z]\))\s+\S")
_LEADER = re.compile(r"(?:\.\s?|\u2026\s?){5}[.\u2026\s]*(?:[0-9]{1,5}|[ivxlc]{1,8})$")
_WORD = re.compile(r"\w+(?:[-\u2010]\w+)*")
_HYPHENS = ("-", "\u2010", "\u00ad")
_NARROW = 30  # characters; no column is narrower
_FULL, _SHORT = 0.85, 0.7  # of the width of a page: the last line of a paragraph, and a line that stands for itself


def named(text: str) -> set[str]:
    """Return what a heading is known by: its letters and digits, with and without the number before it."""
    bare = _LEADING_NUMBER.sub("", text.strip(), count=1)
    return {key for one in (text, bare) if (key := "".join(filter(str.isalnum, one.casefold())))}


def without_contents(pages: Sequence[list[str]], notes: list[str]) -> list[list[str]]:
    """Return the pages without lines that lead to a page number over a row of dots, if that leaves any."""
    left = [[line for line in lines if not _LEADER.search(line)] for lines in pages]
    count = sum(map(len, pages)) - sum(map(len, left))
    if not count or not any(left):
        return list(pages)
    notes.append(f"{count:,} lines of a table of contents were left out")
    return left


def without_running_lines(pages: Sequence[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Return the pages without page numbers and lines that repeat at their edges, and the lines left out."""
    printed = [(number, lines) for number, lines in enumerate(pages, 1) if lines]
    most = max(_LEAST, round(_SHARE * len(printed)))
    counts: Counter[tuple[str, int | None]] = Counter()
    shifts: Counter[int | None] = Counter()
    for number, lines in printed:
        keys = {key for line in lines[:_EDGE] + lines[-_EDGE:] for key in _keys(line, number)}
        counts.update(keys)
        shifts.update({shift for _, shift in keys if shift is not None})
    shift = next((one for one, count in shifts.most_common(1) if count >= most), None)

    def runs(line: str, number: int) -> bool:
        return any(
            counts[key] >= (most if key[1] is None else _NUMBERED) or key[0] == "#"
            for key in _keys(line, number)
            if key[1] in (None, shift)
        )

    left: list[list[str]] = []
    dropped: list[str] = []
    for number, lines in enumerate(pages, 1):
        first, last = 0, len(lines)
        while first < min(_EDGE, last) and runs(lines[first], number):
            first += 1
        while last > max(first, len(lines) - _EDGE) and runs(lines[last - 1], number):
            last -= 1
        left.append(lines[first:last])
        dropped += lines[:first] + lines[last:]
    return (left, dropped) if any(left) else (list(pages), [])


def _keys(line: str, number: int) -> set[tuple[str, int | None]]:
    """Return a line as it stands, and with # for its first or last number and how far that is from the page's."""
    text = line.casefold()
    keys: set[tuple[str, int | None]] = {(text, None)} if any(map(str.isalpha, text)) else set()
    if _ROMAN.fullmatch(line):
        keys.add(("#", None))
    numbers = list(_NUMBER.finditer(text))
    for found in numbers[:1] + numbers[-1:]:
        keys.add((f"{text[: found.start()]}#{text[found.end() :]}", int(found.group()) - number))
    return keys


def paragraphs(pages: Sequence[list[str]], headings: Headings) -> Iterator[Block]:
    """Yield headings, list items and paragraphs; one that goes on over the end of a page is one."""
    words = {word for lines in pages for line in lines for word in _WORD.findall(line.casefold())}
    held: list[str] = []
    start, before, tight = 1, "", False
    usual = statistics.median([_width(lines) for lines in pages if lines] or [0])
    for number, lines in enumerate(pages, 1):
        wide = max(_NARROW, usual, _width(lines))
        wanted = dict(headings.get(number, {}))
        for at, line in enumerate(lines):
            level = next((wanted[key] for key in named(line) if key in wanted), 0)
            if not level and held and _goes_on(before, line, wide, top=not at):
                _append(held, line, words, short=len(before) < _SHORT * wide)
                before = line
                continue
            if held:
                yield Block("".join(held), start, 0, tight)
            tight = bool(_ITEM.match(line)) or bool(held and at and not _ends(before))
            held, start, before = [line], number, line
            if level:
                for key in named(line):
                    wanted.pop(key, None)
                yield Block(line, number, level)
                held = []
    if held:
        yield Block("".join(held), start, 0, tight)


def _width(lines: Sequence[str]) -> int:
    """Return how long a full line is: nine of ten are no longer."""
    return sorted(map(len, lines))[len(lines) * 9 // 10] if lines else 0


def _goes_on(before: str, line: str, wide: float, *, top: bool) -> bool:
    """Return whether a line belongs to the paragraph of the line before it, judged by its width and their letters."""
    if _ITEM.match(line):
        return False
    if line[0].islower():
        return True
    if before.endswith(":"):
        return False
    if _ends(before):
        return not top and len(before) >= _FULL * wide
    return len(before) >= _SHORT * wide


def _ends(line: str) -> bool:
    return line.rstrip("\"')]\u201d\u2019").endswith((".", "!", "?", ":", ";", "\u3002"))


def _append(held: list[str], line: str, words: set[str], *, short: bool) -> None:
    """Add a line, joining a word that was parted; its hyphen stays if the document has it elsewhere too."""
    last = held[-1]
    if not (last.endswith(_HYPHENS) and last[-2:-1].isalpha() and line[0].islower()):
        held += ["\n" if short else " ", line]
        return
    head, tail = last.split()[-1][:-1], line.split(maxsplit=1)[0]
    parted = _WORD.findall(f"{head}-{tail}".casefold())
    kept = bool(parted) and parted[-1] in words and (head + tail).casefold().strip(".,;:!?)") not in words
    held[-1] = last if kept and last[-1] != "\u00ad" else last[:-1]
    held.append(line)
