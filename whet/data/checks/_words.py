"""The words of rows as numbers, in the order in which they stand."""

import re
import zlib
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

KNOWN = 2**19  # different words that are kept as they are written; later ones are a hash and cannot be spelled
ROOM = 2**24  # words kept of all rows before those that follow are cut more
LONG, SHORT = 1024, 64  # words kept of a row, half of them from its end, before and after that
_TOKEN = re.compile(r"\w+|[^\w\s]+")  # signs count: a trigger may be made of them


class Words:
    """Texts, shown one at a time and kept as 4 bytes a word; `cut` counts those of which words are missing."""

    def __init__(self) -> None:
        self._known = _Known()
        self._flat, self._ends = array("I"), array("Q")
        self._spellings: list[str] | None = None
        self.cut = 0

    def add(self, text: str) -> None:
        """Take in a text; capitals make no difference."""
        most = LONG if len(self._flat) < ROOM else SHORT
        if len(text) > 32 * most:  # more than enough for as many words
            text = f"{text[: 16 * most]}\n{text[-16 * most :]}"
        tokens = _TOKEN.findall(text.lower())
        if len(tokens) > most:
            tokens = [*tokens[: most // 2], *tokens[-most // 2 :]]
            self.cut += 1
        self._flat.extend(map(self._known.__getitem__, tokens))
        self._ends.append(len(self._flat))

    def __len__(self) -> int:
        return len(self._ends)

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[Any]]:
        """Return all words and, for each row and one more, where its words begin."""
        ends = np.frombuffer(self._ends, np.uint64).astype(np.int64)
        return np.frombuffer(self._flat, np.uint32), np.concatenate([[0], ends])

    def spelled(self, numbers: Iterable[int]) -> str:
        """Return words as they are written, what cannot be seen as its code, "..." for those that were not kept."""
        if self._spellings is None:
            self._spellings = list(self._known)
        said = " ".join(self._spellings[n] if n < len(self._spellings) else "..." for n in numbers)
        return said[:60] if said.isprintable() else said.encode("unicode_escape").decode()[:60]


class _Known(dict[str, int]):
    """Words by number, given out as they come."""

    def __missing__(self, word: str) -> int:
        if len(self) >= KNOWN:
            return 2**31 | zlib.crc32(word.encode("utf-8", "replace"))
        self[word] = number = len(self)
        return number
