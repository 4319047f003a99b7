"""What rows say besides a phrase: whether they have it in common, and which outcome it points to.

Letters used in this file: C outcomes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whet.data.checks._phrases import Tied

SAMPLE = 20_000  # rows from which is learned what is usual
OTHERS = 300  # rows that a phrase's rows are compared with
LOOKED = 100  # rows of a phrase that are looked at
FIRST = 30  # rows of a phrase that are compared with each other at first
CLASSES = 300  # outcomes that are told apart, the most frequent
SMOOTH = 0.1

Whole = NDArray[Any]


class Rest:
    """Compares the rows of a phrase, without its words, with rows in general."""

    def __init__(self, flat: NDArray[np.uint32], starts: Whole, outcomes: Whole) -> None:
        self._flat, self._starts = flat, starts
        rows = len(starts) - 1
        draw = np.random.default_rng(0)  # fixed: the same data, the same findings
        self._sample = np.arange(rows) if rows <= SAMPLE else np.sort(draw.choice(rows, SAMPLE, replace=False))
        self._index = np.full(rows, -1, np.int32)  # the place of a row in the sample
        self._index[self._sample] = np.arange(len(self._sample))
        self._others = draw.choice(self._sample, min(OTHERS, len(self._sample)), replace=False)
        ordered = np.argsort(-np.bincount(outcomes[self._sample]), kind="stable")
        place = np.empty(len(ordered), np.int64)
        place[ordered] = np.arange(len(ordered))
        self._last = min(CLASSES, len(place))  # the class of all outcomes that are too rare to be told apart
        self._classes = np.full(int(outcomes.max(initial=0)) + 1, self._last)
        self._classes[: len(place)] = np.minimum(place, self._last)
        self._class = self._classes[outcomes]
        self._learn()

    def _learn(self) -> None:
        """Count words and outcomes in the sample."""
        begins, sizes = self._starts[self._sample], np.diff(self._starts)[self._sample]
        shift = begins - np.concatenate([[0], np.cumsum(sizes)[:-1]])
        every = self._flat[np.repeat(shift, sizes) + np.arange(sizes.sum())]
        self._vocabulary, word = np.unique(every, return_inverse=True)
        pairs = np.unique(np.repeat(np.arange(len(sizes)), sizes) * len(self._vocabulary) + word.reshape(-1))
        row, word = np.divmod(pairs, max(1, len(self._vocabulary)))
        self._of_row, self._begin = word, np.searchsorted(row, np.arange(len(sizes) + 1))
        seen = np.bincount(word, minlength=len(self._vocabulary))
        self._weight = np.log(len(sizes) / np.maximum(seen, 1))  # a word that stands in every row says nothing
        length = np.sqrt(np.bincount(row, self._weight[word] ** 2, minlength=len(sizes)))
        usual = np.bincount(word, self._weight[word] / np.maximum(length[row], 1e-9), minlength=len(seen)) / len(sizes)
        self._usual = float((usual**2).sum())  # mean cosine of two rows
        order = np.argsort(word, kind="stable")
        self._at = np.concatenate([[0], np.cumsum(seen)])  # where in _by_word the outcomes of a word begin
        self._by_word = self._class[self._sample][row][order]
        self._rows = np.bincount(self._class[self._sample], minlength=self._last + 1).astype(float)
        self._rows_weighed: dict[int, list[tuple[int, float]]] = {}
        self._tables: dict[int, Whole] = {}  # rows of each outcome by word, as they are asked for
        self._bases: Whole | None = None

    def alike(self, tied: Tied, doubtful: float) -> float:
        """Return how many times as much the rows have in common as any rows have, apart from the phrase.

        If the first few rows have more than `doubtful`, the others are not looked at.
        """
        first = self._alike(tied, FIRST)
        return first if first > doubtful or len(tied.same) <= FIRST else self._alike(tied, 2 * LOOKED)

    def _alike(self, tied: Tied, most: int) -> float:
        total: defaultdict[int, float] = defaultdict(float)
        own = set(self._places(tied.words).tolist())
        rows = 0
        for at in _some(tied.same, most).tolist():
            weighed = [(word, weight) for word, weight in self._weighed(at) if word not in own]
            square = sum(weight * weight for _, weight in weighed)
            if square > 0:
                rows += 1
                length = sqrt(square)
                for word, weight in weighed:
                    total[word] += weight / length
        if rows < 2 or not self._usual:
            return float("inf")
        return (sum(share * share for share in total.values()) - rows) / (rows * (rows - 1)) / self._usual

    def _weighed(self, at: int) -> list[tuple[int, float]]:
        """Return the words of a row, by place in the vocabulary, with their weight."""
        if (found := self._rows_weighed.get(at)) is None:
            places = self._of(at)
            found = self._rows_weighed[at] = list(zip(places.tolist(), self._weight[places].tolist(), strict=True))
        return found

    def rest(self, tied: Tied) -> int:
        """Return in how many rows of the sample the outcome stands without the phrase."""
        return int(self._rows[self._classes[tied.outcome]]) - int((self._index[tied.same] >= 0).sum())

    def points(self, tied: Tied) -> float:
        """Return how much rows point to the outcome by what else they say: 0.5 as much as any rows, 1 more than all.

        Naive Bayes on the rows that do not bear the phrase, once with and once without the words of the phrase; the
        larger of the two is returned.
        """
        outcome = int(self._classes[tied.outcome])
        if outcome == self._last:
            return 1.0
        if self._bases is None:
            self._bases = np.array([self._scores(self._of(at), self._counted([at])) for at in self._others.tolist()])
        base = np.sort(_margin(self._bases, outcome))
        without = self._counted(tied.rows.tolist())
        found = []
        own: list[int] = self._places(tied.words).tolist()
        for left_out in (own, own[:0]):
            rows = [_without(self._of(at), left_out) for at in _some(tied.same, LOOKED).tolist()]
            mine = _margin(np.array([self._scores(word, without) for word in rows]), outcome)
            below = np.searchsorted(base, mine) + np.searchsorted(base, mine, "right")
            found.append(float(below.mean()) / 2 / len(base))
        return max(found)

    def _of(self, at: int) -> Whole:
        """Return the words of a row, each once, by their place in the vocabulary."""
        if (index := int(self._index[at])) >= 0:
            return self._of_row[self._begin[index] : self._begin[index + 1]]
        return self._places(self._flat[self._starts[at] : self._starts[at + 1]])

    def _places(self, words: Whole | Sequence[int]) -> Whole:
        """Return the places in the vocabulary of the words that it has, each once."""
        words = np.unique(np.asarray(words, np.uint32))
        place = np.searchsorted(self._vocabulary, words)
        place = place[place < len(self._vocabulary)]  # those beyond are the last ones
        return np.asarray(place[self._vocabulary[place] == words[: len(place)]])

    def _counted(self, rows: Iterable[int]) -> tuple[dict[int, Whole], Whole]:
        """Return, by place of a word and in all, how many of the rows given are in the sample, by outcome."""
        words: dict[int, Whole] = {}
        total = np.zeros(self._last + 1)
        for at in rows:
            if self._index[at] >= 0:
                outcome = self._class[at]
                total[outcome] += 1
                for word, _ in self._weighed(at):
                    words.setdefault(word, np.zeros(self._last + 1, np.float32))[outcome] += 1
        return words, total

    def _scores(self, word: Whole, less: tuple[dict[int, Whole], Whole]) -> Whole:
        """Return the logarithm of how likely each outcome is, up to a constant. Shape: (C,)."""
        fewer, total = less
        rows = np.maximum(self._rows - total, 0)
        score = np.log(np.maximum(rows, 0.5)) - len(word) * np.log(rows + 2 * SMOOTH)
        for one in word.tolist():
            if (counts := self._tables.get(one)) is None:
                begin, end = self._at[one : one + 2]
                counts = self._tables[one] = np.bincount(self._by_word[begin:end], minlength=self._last + 1)
            if one in fewer:
                counts = counts - fewer[one]
            score = score + np.log(np.maximum(counts, 0) + SMOOTH)
        return np.asarray(score)


def _without(places: Whole, left_out: list[int]) -> Whole:
    for one in left_out:
        places = places[places != one]
    return places


def _some(rows: Whole, most: int) -> Whole:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def _margin(scores: Whole, outcome: int) -> Whole:
    others = np.delete(scores, outcome, axis=1)
    return np.asarray(scores[:, outcome] - others.max(1))
