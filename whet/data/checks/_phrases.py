"""Words and runs of two or three that are tied to one outcome far more than chance.

Letters used in this file: W words of all rows, R rows, P places at which a phrase begins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 3  # words that are looked for at once
TOGETHER = 8  # words of what is returned as one phrase at most
FEW = 5  # rows from which something can be said
MOST = 0.2  # share of all rows beyond which a phrase is part of how all rows are written
PURE = 0.9  # share of a phrase's rows that have the same outcome
CHANCE = 1e-3  # that any phrase at all is tied that closely if outcomes were dealt out at random
BLOCK = 2**22  # places looked at at once
_PRIME = np.uint64(0x9E3779B97F4A7C15)

Whole = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tied:
    """A phrase, the rows in which it stands, and the outcome that nearly all of these have."""

    words: tuple[int, ...]
    rows: Whole
    outcome: int
    same: Whole  # those of the rows that have that outcome
    chance: float  # natural logarithm


def tied(flat: NDArray[np.uint32], starts: Whole, outcomes: Whole) -> list[Tied]:
    """Return the phrases that are tied to an outcome, the least likely by chance first.

    Phrases that stand in the same rows, one after another, are returned as one.

    Shapes: flat (W,), starts (R + 1,), outcomes (R,) whole numbers from 0.
    """
    if not len(flat):
        return []
    spans: dict[int, _Span] = {}
    counts, many = np.bincount(outcomes), math.log(len(flat) * LONGEST / FEW)
    for groups in _groups(flat, starts):
        for place, rows, outcome, chance in _pure(groups, outcomes, counts, math.log(CHANCE) - many):
            same = rows[outcomes[rows] == outcome]
            key = _key_of(rows)
            spans.setdefault(key, _Span(rows, outcome, same, chance + many)).add(place, groups.size)
    sizes = np.diff(starts)
    found = list[Tied]()
    for span in spans.values():
        begin, end = span.bounds(int(np.median(sizes[span.rows])))
        found.append(Tied(tuple(flat[begin:end].tolist()), span.rows, span.outcome, span.same, span.chance))
    return sorted(found, key=lambda one: one.chance)


def _key_of(rows: Whole) -> int:
    """Return 64 bits that tell some rows from others."""
    return int.from_bytes(blake2b(rows.tobytes(), digest_size=8).digest(), "big")


class _Span:
    """Where, in the first of their rows, phrases begin and end that stand in the same rows."""

    def __init__(self, rows: Whole, outcome: int, same: Whole, chance: float) -> None:
        self.rows, self.outcome, self.same, self.chance = rows, outcome, same, chance
        self._first, self._last = 2**62, 0
        self._longest = (0, 0)

    def add(self, place: int, size: int) -> None:
        """Take in a phrase."""
        self._first, self._last = min(self._first, place), max(self._last, place + size)
        if size > self._longest[1] - self._longest[0]:
            self._longest = (place, place + size)

    def bounds(self, words: int) -> tuple[int, int]:
        """Return where they begin and end taken together, or the longest if that is no phrase but half of the row."""
        size = self._last - self._first
        return (self._first, self._last) if size <= min(TOGETHER, words // 2) else self._longest


@dataclass(frozen=True, slots=True)
class _Groups:
    """Places of phrases of one length, ordered by phrase and then by row. Shapes: all (P,)."""

    size: int
    phrase: Whole
    row: Whole
    place: Whole


def _groups(flat: NDArray[np.uint32], starts: Whole) -> Iterator[_Groups]:
    """Yield all places, those of a phrase together, each phrase once for each row."""
    row = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
    parts = max(1, -(-len(flat) // BLOCK))
    for size in range(1, LONGEST + 1):
        for part in range(parts):
            keys, places = list[Whole](), list[Whole]()
            for begin in range(0, len(flat), BLOCK):
                key, place = _keys(flat, row, size, begin)
                mine = key % np.uint64(parts) == part
                keys.append(key[mine])
                places.append(place[mine])
            if keys:
                yield _ordered(size, np.concatenate(keys), np.concatenate(places), row)


def _keys(flat: NDArray[np.uint32], row: Whole, size: int, begin: int) -> tuple[Whole, Whole]:
    """Return a number for each phrase that begins in a block, equal for equal phrases, and its place."""
    end = min(begin + BLOCK, len(flat) - size + 1)
    if end <= begin:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    key = np.zeros(end - begin, np.uint64)
    for after in range(size):
        key = (key ^ (key >> np.uint64(29)) ^ (flat[begin + after : end + after] + np.uint64(1))) * _PRIME
    key ^= key >> np.uint64(32)
    whole = row[begin:end] == row[begin + size - 1 : end + size - 1]
    return key[whole], np.flatnonzero(whole) + begin


def _ordered(size: int, key: Whole, place: Whole, row: Whole) -> _Groups:
    order = np.argsort(key, kind="stable")  # places are in order already, and so are the rows of a phrase
    key, place = key[order], place[order]
    its = row[place]
    first = np.ones(len(key), bool)
    first[1:] = (key[1:] != key[:-1]) | (its[1:] != its[:-1])
    return _Groups(size, key[first], its[first], place[first])


def _pure(groups: _Groups, outcomes: Whole, counts: Whole, least: float) -> Iterator[tuple[int, Whole, int, float]]:
    """Yield the first place, the rows, the outcome and its chance of each phrase that is tied to one closely enough."""
    begins = np.flatnonzero(np.concatenate([[True], groups.phrase[1:] != groups.phrase[:-1]]))[: len(groups.phrase)]
    sizes = np.diff(np.concatenate([begins, [len(groups.phrase)]]))
    wanted = (sizes >= FEW) & (sizes <= MOST * len(outcomes))
    at = np.repeat(np.arange(len(begins)), sizes)
    kept = wanted[at]
    pairs, times = np.unique(at[kept] * len(counts) + outcomes[groups.row[kept]], return_counts=True)
    phrase, outcome = np.divmod(pairs, len(counts))
    order = np.lexsort((times, phrase))
    last = order[np.concatenate([phrase[order][1:] != phrase[order][:-1], [True]])] if len(order) else order
    phrase, outcome, same, rows = phrase[last], outcome[last], times[last], sizes[phrase[last]]
    chance = _chance(rows, same, (counts[outcome] - same + 1) / (len(outcomes) - rows + 1))
    for one in np.flatnonzero((same >= PURE * rows) & (chance < least)).tolist():
        begin = begins[phrase[one]]
        its = groups.row[begin : begin + rows[one]].copy()
        yield int(groups.place[begin]), its, int(outcome[one]), float(chance[one])


def _chance(rows: Whole, same: Whole, share: Whole) -> Whole:
    """Return a bound to the logarithm of the chance that so many rows have an outcome of that share elsewhere."""
    share, others = np.clip(share, 1e-12, 1 - 1e-9), rows - same
    ways = others * (1 + np.log(rows / np.maximum(others, 1)))  # n over k is at most (e n / k) to the power of k
    return np.asarray(ways + same * np.log(share) + others * np.log(1 - share))
