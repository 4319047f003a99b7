"""Rows that stand in one side more than once, to the letter or nearly."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whet.data.findings import Found, Seen
from whet.data.near import Near

__all__ = ["Duplicates"]


class Duplicates:
    """Finds rows that repeat an earlier one of their side; those that repeat come first, then those repeated."""

    def __init__(self) -> None:
        self._sides: dict[str, tuple[array[int], array[int], Near]] = defaultdict(
            lambda: (array("Q"), array("Q"), Near())
        )

    def see(self, row: Seen) -> None:
        """Look at a row."""
        numbers, contents, near = self._sides[row.side]
        numbers.append(row.number)
        contents.append(row.content)
        near.add(f"{row.question}\n{row.answer}")

    def findings(self) -> Iterator[Found]:
        """Yield at most one finding for rows that are equal and one for rows that nearly are."""
        equal, alike = list[tuple[int, int]](), list[tuple[int, int]]()  # a row, and the first that is like it
        for numbers, contents, near in self._sides.values():
            row, every = np.frombuffer(numbers, np.uint64), np.arange(len(numbers))
            _, first, which = np.unique(np.frombuffer(contents, np.uint64), return_index=True, return_inverse=True)
            copy = first[which] != every
            equal += _pairs(row, first[which], copy)
            leader = np.array(near.groups())
            alike += _pairs(row, leader, (leader != every) & ~copy)
        if equal:
            yield Found(
                "exact_duplicate",
                "warning",
                _ordered(equal),
                f"{len(equal):,} rows repeat an earlier row to the letter; they weigh double in training",
                "keep one of each",
            )
        if alike:
            yield Found(
                "near_duplicate",
                "note",
                _ordered(alike),
                f"{len(alike):,} rows say nearly what an earlier row says; the split keeps them on one side",
                "keep one of each unless the difference matters",
            )


def _pairs(row: NDArray[Any], first: NDArray[Any], which: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(row[which].tolist(), row[first[which]].tolist(), strict=True))


def _ordered(found: list[tuple[int, int]]) -> list[int]:
    return [*(row for row, _ in found), *dict.fromkeys(first for _, first in found)]
