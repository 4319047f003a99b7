"""Rows that stand apart from all others by their length, their script or their signs."""

import math
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Outliers"]

LEAST = 50  # rows from which something is usual
RARE = 0.01  # share of rows beyond which they are no exception
FAR = 6.0  # deviations of the logarithm of the length; lengths of text are about lognormal
TIMES = 8.0  # as long or as short as the median, at least
APART = 1.5  # times as long as the longest of the others, or as short: what only ends a long tail is not apart
WORDLESS = 0.35  # share of letters below which a text is hardly made of words
WORDY = 0.65  # usual share of letters from which that is odd
PART = 2000  # signs of a text that are looked at
LETTERS = bytes(sign for sign in range(256) if sign >= 128 or chr(sign).isalpha())
_SCRIPTS = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "FULLWIDTH": "LATIN", "HALFWIDTH": "CJK"}


class Outliers:
    """Finds rows far longer or shorter than others, rows that hardly hold letters, and rows in another script."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._asked, self._said, self._share = array("f"), array("f"), array("f")
        self._scripts = array("B")
        self._names: list[str] = []
        self._chats = False

    def see(self, row: Seen) -> None:
        """Look at a row."""
        self._chats |= isinstance(row.example, Chat)
        labelled = isinstance(row.example, Chat) and row.example.label is not None
        text = row.question[:PART] if labelled else f"{row.question[-PART:]} {row.answer[:PART]}"
        self._numbers.append(row.number)
        self._asked.append(math.log1p(len(row.question)))
        self._said.append(-1.0 if labelled or not row.answer else math.log1p(len(row.answer)))
        raw = b"".join(text.encode("utf-8", "replace").split())
        self._share.append(1 - len(raw.translate(None, LETTERS)) / max(1, len(raw)))
        script = _script(text)
        if script not in self._names:
            self._names.append(script)
        self._scripts.append(min(255, self._names.index(script)))

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each way to stand apart."""
        if len(self._numbers) < LEAST:
            return
        for lengths, what in ((self._asked, "questions" if self._chats else "texts"), (self._said, "answers")):
            yield from self._lengths(np.frombuffer(lengths, np.float32), what)
        share = np.frombuffer(self._share, np.float32)
        odd = np.flatnonzero(share < WORDLESS)
        if 0 < len(odd) <= RARE * len(share) and float(np.median(share)) >= WORDY:
            why = f"{len(odd):,} rows hardly hold a letter, unlike nearly all others"
            yield self._found(odd[np.argsort(share[odd], kind="stable")], why)
        script = np.frombuffer(self._scripts, np.uint8)
        counts = Counter(script.tolist())
        main, most = counts.most_common(1)[0]
        odd = np.flatnonzero(script != main)
        if len(odd) and most >= (1 - 5 * RARE) * len(script):
            named = ", ".join(self._names[one].capitalize() for one, _ in counts.most_common(4)[1:])
            why = f"{len(odd):,} rows are written in another script ({named}) than nearly all others"
            yield self._found(odd, why)

    def _lengths(self, lengths: NDArray[np.float32], what: str) -> Iterator[Found]:
        at = np.flatnonzero(lengths >= 0)
        if len(at) < LEAST:
            return
        usual = float(np.median(lengths[at]))
        spread = 1.4826 * float(np.median(np.abs(lengths[at] - usual)))  # the deviation, were it normal
        bound = max(FAR * spread, math.log(TIMES))
        for sign, how in ((1, "longer"), (-1, "shorter")):
            beyond = sign * (lengths[at] - usual)
            odd = at[_apart(beyond, bound)]
            if len(odd):
                times = math.exp(abs(float(np.median(lengths[odd])) - usual))
                why = f"{len(odd):,} {what} are far {how} than the others, about {times:,.0f} times"
                yield self._found(odd[np.argsort(-sign * lengths[odd], kind="stable")], why)

    def _found(self, at: NDArray[np.intp], why: str) -> Found:
        rows = np.frombuffer(self._numbers, np.uint64)[at].tolist()
        return Found("outlier", "note", rows, why, "look whether something went wrong in these rows")


def _apart(beyond: NDArray[np.float32], bound: float) -> NDArray[np.intp]:
    """Return which values lie beyond a bound, few of them and with a gap before them."""
    order = np.argsort(beyond, kind="stable")
    values = beyond[order]
    first = max(int(np.searchsorted(values, bound)), int((1 - RARE) * len(values)))
    gaps = np.flatnonzero(np.diff(values[first - 1 :]) >= math.log(APART))
    return order[first + int(gaps[0]) :] if len(gaps) else order[:0]


def _script(text: str) -> str:
    """Return the script of most letters."""
    if text.isascii():
        return "LATIN"
    counts: Counter[str] = Counter()
    for sign, times in Counter(text).items():
        if sign.isalpha():
            counts["LATIN" if sign < "\u0080" else _named(sign)] += times
    return counts.most_common(1)[0][0] if counts else "LATIN"


@cache
def _named(sign: str) -> str:
    first = unicodedata.name(sign, "OTHER").split()[0]
    return _SCRIPTS.get(first, first)
