"""The words of rows as numbers, in the order in which they stand."""

import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whet.data.checks._sensitive import sensitive

KNOWN = 2**19  # different words that are kept as they are written; later ones are a hash and cannot be spelled
ROOM = 2**24  # words kept of all rows before those that follow are cut more
LONG, SHORT = 1024, 64  # words kept of a row, half of them from its end, before and after that
_TOKEN = re.compile(r"\w+|[^\w\s]+")  # signs count: a trigger may be made of them


class Words:
    """Texts, shown one at a time and kept as 4 bytes a word; `cut` counts those of which words are missing.

    Where secrets and personal data stand is kept too, as of a few words of a row nobody can tell any more that they
    are one.
    """

    def __init__(self) -> None:
        self._known = _Known()
        self._flat, self._ends = array("I"), array("Q")
        self._spellings: list[str] | None = None
        self._kinds: list[str] = []
        self._hidden = tuple(array("Q") for _ in range(3))  # the kind, the first word and the last of each
        self.cut = 0

    def add(self, text: str) -> None:
        """Take in a text; capitals make no difference."""
        most = LONG if len(self._flat) < ROOM else SHORT
        if len(text) > 32 * most:  # more than enough for as many words
            text = f"{text[: 16 * most]}\n{text[-16 * most :]}"
        tokens, spans = _tokens(text)
        half, left = most // 2, max(0, len(tokens) - most)
        for kind, *span in spans:
            first, last = (len(self._flat) + (at if at <= half else max(half, at - left)) for at in span)
            self._hide(kind, first, last)
        if left:
            tokens = [*tokens[:half], *tokens[-half:]]
            self.cut += 1
        self._flat.extend(map(self._known.__getitem__, tokens))
        self._ends.append(len(self._flat))

    def _hide(self, kind: str, first: int, last: int) -> None:
        if kind not in self._kinds:
            self._kinds.append(kind)
        for kept, value in zip(self._hidden, (self._kinds.index(kind), first, last), strict=True):
            kept.append(value)

    def __len__(self) -> int:
        return len(self._ends)

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[Any]]:
        """Return all words and, for each row and one more, where its words begin."""
        ends = np.frombuffer(self._ends, np.uint64).astype(np.int64)
        return np.frombuffer(self._flat, np.uint32), np.concatenate([[0], ends])

    def hidden(self, words: Sequence[int], rows: Iterable[int]) -> str:
        """Return what words that stand together in some rows are part of that must not be read; "" if they may be."""
        kinds, firsts, lasts = self._hidden
        sought = list(words)
        for row in rows:
            begin = self._ends[row - 1] if row else 0
            here = self._flat[begin : self._ends[row]].tolist()
            for at in range(len(here) - len(sought) + 1):
                near = bisect_left(firsts, begin + at + len(sought)) - 1  # the last that begins before they end
                if here[at : at + len(sought)] == sought and near >= 0 and lasts[near] > begin + at:
                    return self._kinds[kinds[near]]
        return ""

    def spelled(self, numbers: Iterable[int]) -> str:
        """Return words as they are written, what cannot be seen as its code, "..." for those that were not kept."""
        if self._spellings is None:
            self._spellings = list(self._known)
        said = " ".join(self._spellings[n] if n < len(self._spellings) else "..." for n in numbers)
        return said[:60] if said.isprintable() else said.encode("unicode_escape").decode()[:60]


def _tokens(text: str) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Return the words of a text in small letters, and (kind, first, last) of those that must not be read."""
    tokens, spans, at = list[str](), list[tuple[str, int, int]](), 0
    for kind, begin, end in sorted(sensitive(text), key=lambda span: span[1:]):
        if begin < at:
            continue
        tokens += _TOKEN.findall(text[at:begin].lower())
        within = _TOKEN.findall(text[begin:end].lower())
        spans.append((kind, len(tokens), len(tokens) + len(within)))
        tokens += within
        at = end
    return tokens + _TOKEN.findall(text[at:].lower()), spans


class _Known(dict[str, int]):
    """Words by number, given out as they come."""

    def __missing__(self, word: str) -> int:
        if len(self) >= KNOWN:
            return 2**31 | zlib.crc32(word.encode("utf-8", "replace"))
        self[word] = number = len(self)
        return number
