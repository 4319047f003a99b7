"""How long rows are: some hundred counts, however many rows there are."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

EXACT_BITS = 7  # of a length; 127 and less are kept as they are, longer ones to within one in 64
BARS = 40
TAIL = 12  # times the median that the longest may be before bars get wider with the length
_STEPS = (1, 2, 3, 5, 7)


class Lengths:
    """Counts lengths, which are whole numbers from 0; `longest` is what is allowed, known to the last row."""

    def __init__(self, lengths: Iterable[int] = (), longest: int | None = None) -> None:
        self._counts, self._longest = Counter[int](), longest
        self._most = self.total = 0
        for length, times in Counter(lengths).items():
            self.add(length, times)

    def add(self, length: int, times: int = 1) -> None:
        """Count a length, so many times."""
        beyond = max(0, length.bit_length() - EXACT_BITS)
        kept = length >> beyond << beyond
        if self._longest is not None and length > self._longest:
            kept = max(kept, self._longest + 1)
        self._counts[kept] += times
        self._most = max(self._most, length)
        self.total += length * times

    def histogram(self, unit: str) -> dict[str, Any]:
        """Return the counts as bars: `rows[i]` are from `edges[i]` up to, and without, `edges[i + 1]` long.

        If rows are longer than allowed, a bar ends there.
        """
        longest = self._longest
        if not self._counts:
            return {}
        least, most = min(self._counts), self._most
        edges = _even(least, most) if most <= TAIL * max(self._middle(), BARS / TAIL) else _widening(least, most)
        if longest is not None and edges[0] < longest + 1 < edges[-1]:
            edges = sorted({*edges, longest + 1})
        rows = [0] * (len(edges) - 1)
        for length, times in self._counts.items():
            rows[bisect_right(edges, length) - 1] += times
        return {"unit": unit, "longest": longest, "edges": edges, "rows": rows}

    def _middle(self) -> int:
        left = self._counts.total() / 2
        for length in sorted(self._counts):
            left -= self._counts[length]
            if left <= 0:
                return length
        return 0


def _even(least: int, most: int) -> list[int]:
    """Return where at most BARS bars of one width begin and end, each at a round number."""
    widths = (step * 10**power for power in range(20) for step in (1, 2, 5))
    width = next(width for width in widths if most // width - least // width < BARS)
    return list(range(least // width * width, most + width + 1, width))[: most // width - least // width + 2]


def _widening(least: int, most: int) -> list[int]:
    """Return where bars begin and end of which each is about half as wide again as the one before it."""
    every = [0, *(step * 10**power for power in range(20) for step in _STEPS)]
    first, last = bisect_right(every, least) - 1, bisect_right(every, most)
    return every[first : last + 1]
