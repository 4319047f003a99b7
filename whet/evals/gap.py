"""How much of the way from one contender to another a third has gone."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from whet.evals.columns import by_group, finite, student_reach
from whet.evals.stats import Interval


def closed(
    ours: ArrayLike,
    before: ArrayLike,
    goal: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    confidence: float = 0.95,
) -> Interval | None:
    """Return (ours - before) / (goal - before) of the means with its interval, over the same rows.

    None where the goal cannot be told from where it began: then no share of the way means anything.

    Raises: ValueError if the columns are empty, not finite or of unequal length.
    Source: Fieller 1954, "Some Problems in Interval Estimation", over the sums of groups: the shares c at which the
        mean of (ours - before) - c (goal - before) cannot be told from 0.
    """
    mine, start, end = (finite(column) for column in (ours, before, goal))
    if not len(mine) == len(start) == len(end):
        raise ValueError(f"{len(mine)}, {len(start)} and {len(end)} values; a paired comparison needs the same rows")
    gone, _ = by_group(mine - start, groups)
    way, _ = by_group(end - start, groups)
    count = len(way)
    if count < 2:
        return None
    reach = student_reach(confidence, count - 1) ** 2 / count
    (var_gone, cross), (_, var_way) = np.cov(gone, way) * reach
    a, b, c = way.mean() ** 2 - var_way, gone.mean() * way.mean() - cross, gone.mean() ** 2 - var_gone
    if a <= 0:
        return None
    half = math.sqrt(max(b * b - a * c, 0.0))
    return Interval(float(gone.mean() / way.mean()), float((b - half) / a), float((b + half) / a))
