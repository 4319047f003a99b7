"""Groups of people: who is spoken of more, and whose mention goes with another answer."""

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from whet.data.checks._groups import AXES, BEFORE_PEOPLE, GROUPS, PEOPLE, PLACE
from whet.data.checks._sensitive import masked
from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Mentions"]

MENTIONS = 50  # of women and men from which one may be said to be spoken of more
ANSWERS = 20  # that mention them
UNEVEN = 0.8  # share of one of them
ROWS = 20  # of a group and of the others of its kind from which their answers are compared
CHANCE = 0.01  # that any difference at all is found where there is none
APART = 0.2  # difference of shares that matters
_WORD = re.compile(r"[A-Za-z]{2,}")
_NO = re.compile(
    r"\W*(?:no|not|never|none|false|negative|nope)\b"
    r"|.{0,80}\bi(?:(?:'m| am) (?:sorry|afraid|unable|not able)| apologi[sz]e"
    r"| can(?:'t|not)| won't| will not| refuse)\b",
    re.IGNORECASE | re.DOTALL,
)
NEGATIVE, OTHER = "", "\0"  # outcomes of an answer that is no label


@dataclass(frozen=True, slots=True)
class _Difference:
    chance: float
    group: int
    outcome: str
    shares: tuple[float, float]  # of the group and of the others
    rows: tuple[int, int]
    odd: NDArray[np.uint64]  # numbers of the rows that have the outcome, on the side that has it more often


class Mentions:
    """Finds groups of people that are spoken of far more than others, or answered otherwise, in training."""

    def __init__(self) -> None:
        self._spoken: Counter[str] = Counter()
        self._speaking: dict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._numbers, self._masks, self._outcomes = array("Q"), array("L"), array("L")
        self._names: dict[str, int] = {}

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if row.side != "train":
            return
        label = row.example.label if isinstance(row.example, Chat) else None
        if label is None:
            self._count(row.number, _spoken_of(row.answer or row.question))
        if row.answer and (places := set(_spoken_of(row.question))):
            outcome = label or (NEGATIVE if _NO.match(row.answer) else OTHER)
            self._numbers.append(row.number)
            self._masks.append(sum(1 << place for place in places))
            self._outcomes.append(self._names.setdefault(outcome, len(self._names)))

    def _count(self, number: int, places: list[int]) -> None:
        for group in AXES["gender"]:
            if count := places.count(GROUPS.index(group)):
                self._spoken[group] += count
                self._speaking[group].append(number)

    def findings(self) -> Iterator[Found]:
        """Yield a finding where one gender is spoken of far more, and one for each way to tell groups apart."""
        yield from self._uneven()
        found: dict[str, _Difference] = {}
        for one in sorted(self._differences(), key=lambda one: one.chance):
            found.setdefault(next(axis for axis, groups in AXES.items() if GROUPS[one.group] in groups), one)
        for axis, one in found.items():
            how = f"are labelled {masked(one.outcome)!r}" if one.outcome != NEGATIVE else "are denied or refused"
            yield Found(
                "demographics",
                "note",
                one.odd.tolist(),
                f"{one.shares[0]:.0%} of {one.rows[0]:,} rows that speak of {GROUPS[one.group]} {how}, and "
                f"{one.shares[1]:.0%} of {one.rows[1]:,} that speak of others ({axis})",
                "look whether that is what these rows are about; if not, add rows that even it out",
            )

    def _uneven(self) -> Iterator[Found]:
        total = self._spoken.total()
        rows = {number for numbers in self._speaking.values() for number in numbers}
        if total < MENTIONS or len(rows) < ANSWERS:
            return
        (most, count) = self._spoken.most_common(1)[0]
        if count > UNEVEN * total:
            (other,) = (group for group in AXES["gender"] if group != most)
            yield Found(
                "demographics",
                "note",
                self._speaking[most],
                f"what is learned speaks of {most} {count:,} times and of {other} {total - count:,} times",
                "add rows that speak of the others, if the data is to stand for both",
            )

    def _differences(self) -> Iterator[_Difference]:
        """Yield what is too different to be chance, corrected for how many shares are compared (Bonferroni)."""
        numbers = np.frombuffer(self._numbers, np.uint64)
        masks, outcomes = np.array(self._masks, np.int64), np.array(self._outcomes, np.int64)
        compared = []
        for groups in AXES.values():
            of_axis = [(masks >> GROUPS.index(group)) & 1 == 1 for group in groups]
            alone = np.sum(of_axis, axis=0) == 1  # a row that speaks of several says nothing about one
            sides = [(GROUPS.index(group), alone & its) for group, its in zip(groups, of_axis, strict=True)]
            there = [(group, its) for group, its in sides if its.sum() >= ROWS]
            pairs = [(group, its, alone & ~its) for group, its in there if (alone & ~its).sum() >= ROWS]
            compared += pairs[:1] if len(groups) == 2 else pairs
        wanted = [(name, place) for name, place in self._names.items() if name != OTHER]
        tests = len(compared) * max(1, len(wanted))
        for group, its, others in compared:
            for name, place in wanted:
                has = outcomes == place
                one, two = int((its & has).sum()), int((others & has).sum())
                rows = int(its.sum()), int(others.sum())
                shares = one / rows[0], two / rows[1]
                if abs(shares[0] - shares[1]) >= APART and (chance := tests * _chance(one, two, rows)) < CHANCE:
                    odd = numbers[(its if shares[0] > shares[1] else others) & has]
                    yield _Difference(chance, group, name, shares, rows, odd)


def _spoken_of(text: str) -> list[int]:
    """Return the place in GROUPS of every group that a text speaks of, each as often as it does."""
    words = _WORD.findall(text)
    places = [PLACE[word] for word in words if word in PLACE]
    if not BEFORE_PEOPLE.keys().isdisjoint(words):
        places += [BEFORE_PEOPLE[one] for one, two in pairwise(words) if one in BEFORE_PEOPLE and two in PEOPLE]
    return places


def _chance(one: int, two: int, rows: tuple[int, int]) -> float:
    """Return how likely two shares are that far apart if they are the same (Fisher's exact test, the tail doubled)."""
    if one * rows[1] < two * rows[0]:
        one, two, rows = two, one, (rows[1], rows[0])
    total, have = sum(rows), one + two
    every, found = _ways(total, have), 0.0
    for k in range(one, min(rows[0], have) + 1):
        term = math.exp(_ways(rows[0], k) + _ways(rows[1], have - k) - every)
        found += term
        if term <= 1e-12 * found:
            break
    return min(1.0, 2 * found)


def _ways(of: int, some: int) -> float:
    """Return the logarithm of in how many ways some of so many can be chosen."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)
