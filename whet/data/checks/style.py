"""Answers written otherwise than nearly all others, and labels written in two ways."""

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from whet.data.checks._sensitive import masked
from whet.data.checks.answer import LONG
from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Styles"]

LEAST = 50  # answers from which there is a usual way
USUAL = 0.95  # share of answers from which a way of writing is the usual one
PARSED = 0.8  # share of what looks like JSON from which it is meant to be JSON
PART = 4000  # characters of an answer that are looked at
_ENDED = re.compile(r"[.!?:;)\]}>\"'`*\u2019\u201d\u00bb\u2026\u3002\uff01\uff1f]$")
_MARKED = re.compile(r"^#{1,6} [A-Za-z]|\*\*\w[^*\n]*\*\*|</?(?:p|br|b|em|strong|ul|li|div|h[1-6])\s?/?>", re.MULTILINE)
_CODE = re.compile(r"```|[{};]\s*$|^\s*(?:def|class|import|from|#include|print)\b", re.MULTILINE)  # its signs mean more
_DOT = re.compile(r"^[ \t]*[\u2022\u2023\u25aa\u25cf\u00b7] ?\S", re.MULTILINE)
_DASH = re.compile(r"^[ \t]*[-*+] \S", re.MULTILINE)
_PAREN = re.compile(r"^[ \t]*\d{1,2}\) \S", re.MULTILINE)
_POINT = re.compile(r"^[ \t]*\d{1,2}\. \S", re.MULTILINE)
_CURLY = re.compile("[\u2018\u2019\u201c\u201d]")
_STRAIGHT = re.compile("[\"']")
_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")

WAYS = (  # an answer is written in the first way, the second or neither; the bit of a way is its place
    ("begin with a capital", "begin in lower case"),
    ("end like a sentence", "end without a full stop or the like"),
    ("have no white space at either end", "begin or end with white space"),
    ("have no headings, bold words or HTML", "have headings, bold words or HTML"),
    ("have straight quotes", "have curly quotes"),
    ("mark the points of a list with - or *", "mark the points of a list with a dot"),
    ("number the points of a list 1.", "number the points of a list 1)"),
    ("are JSON that can be parsed", "look like JSON but cannot be parsed"),
)
JSON = len(WAYS) - 1


class Styles:
    """Finds what is written in two ways where nearly all answers of training agree on one."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._first, self._second = array("B"), array("B")  # the ways in which answers are written, by bit
        self._labels: dict[str, array[int]] = defaultdict(lambda: array("Q"))

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if row.side != "train" or not row.answer:
            return
        if isinstance(row.example, Chat) and row.example.label is not None:
            self._labels[row.example.label].append(row.number)
            return
        first, second = _ways(row.answer)
        self._numbers.append(row.number)
        self._first.append(first)
        self._second.append(second)

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each thing that is written in two ways."""
        yield from self._twice()
        if not self._numbers:
            return
        numbers, first, second = np.frombuffer(self._numbers, np.uint64), *map(_bits, (self._first, self._second))
        for place, ways in enumerate(WAYS):
            count = int(first[:, place].sum()), int(second[:, place].sum())
            rare = int(count[1] < count[0])
            if place == JSON:
                yield from self._broken(count, numbers[second[:, JSON]].tolist())
            elif sum(count) >= LEAST and 0 < count[rare] <= (1 - USUAL) * sum(count):
                yield Found(
                    "style",
                    "note",
                    numbers[(first, second)[rare][:, place]].tolist(),
                    f"{count[rare]:,} answers {ways[rare]}, while {count[not rare]:,} {ways[not rare]}",
                    "write all answers in one way, so that it is learned as one",
                )

    def _broken(self, count: tuple[int, int], rows: list[int]) -> Iterator[Found]:
        if rows and count[0] >= PARSED * sum(count):
            yield Found(
                "style",
                "warning",
                rows,
                f"{len(rows):,} answers look like JSON but cannot be parsed, as {count[0]:,} others can",
                "repair these answers or remove them",
            )

    def _twice(self) -> Iterator[Found]:
        """Yield a finding for labels that differ only in capitals, spaces, hyphens or a full stop."""
        alike: dict[str, list[str]] = defaultdict(list)
        for label in self._labels:
            folded = unicodedata.normalize("NFKC", label).strip().rstrip(".").casefold()
            alike[_BETWEEN.sub(" ", folded) or label].append(label)
        twice = [sorted(same, key=lambda label: len(self._labels[label])) for same in alike.values() if len(same) > 1]
        if twice:
            shown = " and ".join(repr(masked(label)) for label in twice[0][:2])
            yield Found(
                "style",
                "warning",
                [row for same in twice for label in same[:-1] for row in self._labels[label]],
                f"{len(twice):,} labels are written in several ways ({shown}), which count as different labels",
                "write each label in one way",
            )


def _bits(ways: "array[int]") -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(ways, np.uint8)[:, None], axis=1, bitorder="little").astype(bool)


def _ways(answer: str) -> tuple[int, int]:
    """Return by bit the ways in which an answer is written: those that are first in WAYS, and those that are second."""
    text = answer.strip()
    if not text:
        return 0, 0
    edged = len(text) != len(answer)
    if text[0] in "{[" and text[-1] in "}]":
        parsed = _parses(text)
        return (parsed << JSON) | (not edged) << 2, ((not parsed) << JSON) | edged << 2
    part = text[:PART]
    marked = any(sign in part for sign in ("**", "# ", ">")) and bool(_MARKED.search(part)) and not _CODE.search(part)
    ended, short = bool(_ENDED.search(text[-1])), len(text) < LONG  # of long answers another check speaks
    curly, straight = not text.isascii() and bool(_CURLY.search(part)), bool(_STRAIGHT.search(part))
    listed = "\n" in part
    dot = listed and not text.isascii() and bool(_DOT.search(part))
    dash = listed and ("- " in part or "* " in part) and bool(_DASH.search(part))
    paren = listed and ") " in part and bool(_PAREN.search(part))
    point = listed and ". " in part and bool(_POINT.search(part))
    pairs = (
        (text[0].isupper(), text[0].islower() and text[:2].isalpha()),
        (short and ended, short and not ended),
        (not edged, edged),
        (not marked, marked),
        (straight and not curly, curly and not straight),
        (dash and not dot, dot and not dash),
        (point and not paren, paren and not point),
    )
    return (
        sum(first << place for place, (first, _) in enumerate(pairs)),
        sum(second << place for place, (_, second) in enumerate(pairs)),
    )


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
