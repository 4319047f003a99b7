"""What more rows would bring: scores of the same questions after training on fewer and more of them.

Letters used in this file: P points, n questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FARTHEST = 20  # doublings that are looked ahead
LAST = 3  # points that the slope is taken from: a curve flattens


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores after training on `counts` rows each, rising. Shapes: `scores` (P, n).

    Of scores between 0 and 1, what is missing to 1 is taken to shrink by a power of the rows, beginning with what the
    last doublings brought; of others, each doubling is taken to bring as much as those. All that is said is a sum of
    the measured scores of each question, so that a paired test of it is one of the questions.

    Source: Hestness et al. 2017, arXiv:1712.00409, section 3, for the power law.
    """

    counts: tuple[int, ...]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, counts: Sequence[int], scores: Sequence[ArrayLike]) -> "Curve":
        """Return the curve through points, in any order.

        Raises:
            ValueError: there is no point, or two have as many rows, or they have not the same questions.
        """
        table = np.asarray([np.asarray(one, dtype=np.float64) for one in scores])
        if table.ndim != 2 or len(counts) != len(table) or len(set(counts)) < len(counts) or min(counts) < 1:
            raise ValueError(f"no curve through {list(counts)} with scores of shape {table.shape}")
        order = np.argsort(counts)
        return cls(tuple(int(counts[at]) for at in order), table[order])

    def per_doubling(self) -> NDArray[np.float64]:
        """Return what a doubling of the rows brings each question: the slope of a line through the last points."""
        doublings = np.log2(self.counts[-LAST:])
        off = doublings - doublings.mean()
        if not off.any():
            return np.zeros(self.scores.shape[1])
        return np.asarray(off @ self.scores[-LAST:] / (off @ off), dtype=np.float64)

    def at(self, count: int) -> NDArray[np.float64]:
        """Return the score of each question after training on so many rows, as many as were tried or more."""
        doublings, slope = math.log2(count / self.counts[-1]), self.per_doubling()
        if share := self._share(slope):
            doublings = (1 - math.exp(-doublings * share)) / share
        return np.asarray(self.scores[-1] + doublings * slope)

    def rows_for(self, gain: float) -> float:
        """Return how many rows are expected to bring a mean of so much more than the last point has."""
        slope = self.per_doubling()
        doublings = gain / max(1e-9, float(slope.mean()))
        if share := self._share(slope):
            doublings = -math.log1p(-doublings * share) / share if doublings * share < 1 else math.inf
        return float(self.counts[-1] * 2.0 ** min(max(0.0, doublings), FARTHEST))

    def _share(self, slope: NDArray[np.float64]) -> float:
        """Return which share of what is missing to 1 the next doubling begins to bring; 0 where nothing bounds it."""
        missing, gain = 1 - float(self.scores[-1].mean()), float(slope.mean())
        bounded = float(self.scores.min()) >= 0 and float(self.scores.max()) <= 1
        return gain / missing if bounded and gain > 0 and missing > 0 else 0.0
