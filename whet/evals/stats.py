"""How sure the numbers are: intervals, paired tests, F1 of labels. The same for the same seed.

Letters used in this file: n rows, G groups, R resamples, K labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whet.evals.columns import (
    Vector,
    by_group,
    chunks,
    finite,
    normal_reach,
    ratio_error,
    ratio_moments,
    student_reach,
    tails,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean of a - b over the same rows, its interval and the two-sided p-value of no difference."""

    value: float
    low: float
    high: float
    p_value: float
    rows: int


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label fares. `rows` is how many rows have it as their target."""

    label: str
    precision: float
    recall: float
    f1: float
    rows: int


def wilson(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the share of successes and its score interval.

    Raises: ValueError unless 0 <= successes <= total and total > 0.
    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    if not 0 <= successes <= total or total < 1:
        raise ValueError(f"{successes} successes of {total} is not a share")
    z, share = normal_reach(confidence), successes / total
    center = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == total else center + half
    return Interval(share, low, high)


def mean_interval(
    values: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean and its interval: Wilson's for 0/1 values, bootstrapped for any other.

    Rows of one group (the same document, the same user) are drawn together, so that ten near-copies of a row
    do not count as ten. Each end is the wider of two bootstraps, drawn at once: the studentized one, right
    for skewed scores where percentiles miss too often, and the percentile one, right where nearly all rows
    are equal. Values within 0 and 1 keep the interval within 0 and 1. A single row, or group, says nothing:
    its interval is all that is possible.

    Raises: ValueError if values are empty or not finite, or groups do not match them.
    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 12 and 13; Cameron,
    Gelbach and Miller 2008, section 3, for drawing whole groups.
    """
    column = finite(values)
    sums, sizes = by_group(column, groups)
    if len(sums) == len(column) and np.isin(column, (0.0, 1.0)).all():
        return wilson(int(column.sum()), len(column), confidence)
    limits = (0.0, 1.0) if column.min() >= 0 and column.max() <= 1 else (-math.inf, math.inf)
    return _bootstrap(sums, sizes, limits, resamples, confidence, seed)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Return the mean of a - b, its bootstrap interval (as in `mean_interval`) and its sign-flip p-value.

    The test is exact when a and b could be swapped, whatever the shape of the scores. Where it does not
    reject 0 the interval is stretched to hold 0, so that the two never disagree.

    Raises: ValueError if the columns are empty, not finite or of unequal length.
    """
    left, right = finite(a, "a"), finite(b, "b")
    if len(left) != len(right):
        raise ValueError(f"{len(left)} values against {len(right)}; a paired comparison needs the same rows")
    sums, sizes = by_group(left - right, groups)
    inside = min(left.min(), right.min()) >= 0 and max(left.max(), right.max()) <= 1
    limits = (-1.0, 1.0) if inside else (-math.inf, math.inf)
    if not sums.any():
        return PairedDifference(0.0, 0.0, 0.0, 1.0, len(left))
    found = _bootstrap(sums, sizes, limits, resamples, confidence, seed)
    p_value = sign_flip(sums, resamples=resamples, seed=seed)
    undecided = p_value >= 1 - confidence
    low, high = (min(found.low, 0.0), max(found.high, 0.0)) if undecided else (found.low, found.high)
    return PairedDifference(found.value, low, high, p_value, len(left))


def sign_flip(differences: ArrayLike, *, resamples: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p-value of a mean of 0: how often random signs give a sum as far from 0.

    All patterns of signs are tried when there are at most `resamples` of them; otherwise that many are drawn
    and the observed one is counted among them.

    Source: Fisher 1935, "The Design of Experiments", section 21; Phipson and Smyth 2010, for the added one.
    """
    moving = finite(differences)
    moving = moving[moving != 0]
    if not len(moving):
        return 1.0
    total, count = float(moving.sum()), len(moving)
    least = abs(total) * (1 - 1e-9) - 1e-12  # a tie must count as a tie in spite of rounding
    exact = count < 62 and 2**count <= resamples
    draws = 2**count if exact else resamples
    rng, hits = np.random.default_rng(seed), 0
    for start, stop in chunks(draws, count):
        if exact:
            signs = (np.arange(start, stop)[:, None] >> np.arange(count) & 1).astype(np.float64)
        else:
            drawn = rng.integers(0, 256, (stop - start, (count + 7) // 8), dtype=np.uint8)
            signs = np.unpackbits(drawn, axis=1, count=count).astype(np.float64)
        hits += int((np.abs(2 * (signs @ moving) - total) >= least).sum())
    return hits / draws if exact else (hits + 1) / (draws + 1)


def mcnemar(a_right: ArrayLike, b_right: ArrayLike) -> float:
    """Return the exact two-sided p-value of a and b being right equally often.

    Raises: ValueError if the columns are empty, of unequal length or not 0/1.
    Source: McNemar 1947; Edwards 1948, for the exact binomial form.
    """
    left, right = finite(a_right, "a"), finite(b_right, "b")
    if len(left) != len(right) or not np.isin(np.concatenate([left, right]), (0.0, 1.0)).all():
        raise ValueError("McNemar's test needs two columns of 0 and 1 over the same rows")
    won, lost = int((left > right).sum()), int((left < right).sum())
    tail = sum(math.comb(won + lost, k) for k in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / (1 << (won + lost)))


def minimum_detectable_effect(
    differences: ArrayLike,
    confidence: float = 0.95,
    power: float = 0.8,
    *,
    groups: Sequence[object] | None = None,
) -> float:
    """Return the smallest true mean difference that as many rows (or groups) would show with probability `power`.

    Raises: ValueError for fewer than two rows.
    Source: Cohen 1988, "Statistical Power Analysis", section 2.4, with Student's t for both quantiles; for right and
        wrong with the correction of Casagrande, Pike and Smith 1978, Biometrics 34, for an exact test.
    """
    column = finite(differences)
    sums, sizes = by_group(column, groups)
    reach = _reach(sums * (len(sums) / float(sizes.sum())), confidence, power, len(sums)) / math.sqrt(len(sums))
    return reach + (_half_step(column) / len(column) if len(sums) == len(column) else 0.0)


def group_sums(values: ArrayLike, groups: Sequence[object] | None = None) -> list[float]:
    """Return the sum of the values of each group; without groups each row is its own."""
    return [float(total) for total in by_group(finite(values), groups)[0]]


def rows_needed(
    differences: ArrayLike,
    effect: float | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
    *,
    groups: Sequence[object] | None = None,
) -> int:
    """Return about how many rows, in groups as large, show a mean difference of `effect`, by default the observed one.

    Raises: ValueError if the effect is 0, or for fewer than two rows.
    """
    column = finite(differences)
    size = abs(float(column.mean()) if effect is None else effect)
    if size == 0:
        raise ValueError("no number of rows shows a difference of 0; name the effect to look for")
    sums, sizes = by_group(column, groups)
    each = float(sizes.sum()) / len(sums)
    step = _half_step(column) if len(sums) == len(column) else 0.0
    count = 1001.0
    for _ in range(4):  # how far the test reaches depends, a little, on how many rows there are
        reach = _reach(sums / each, confidence, power, max(2, math.ceil(count - 1e-6)))
        # The effect is reach / root + step / root ** 2.
        count = ((reach + math.sqrt(reach * reach + 4 * step * size)) / (2 * size)) ** 2
    return max(2, math.ceil(count * each - 1e-6))


def confusion(targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return how often each target (row) met each prediction (column); the last is any off the list.

    Shapes: (K, K + 1).
    Raises: ValueError if there are no rows, unequal counts, labels that repeat, or a target off the list.
    """
    place = {label: index for index, label in enumerate(labels)}
    if not targets or len(targets) != len(predictions) or len(place) != len(labels):
        raise ValueError(
            f"no table from {len(targets)} targets, {len(predictions)} predictions and {len(labels)} labels "
            f"({len(place)} of them distinct)"
        )
    unknown = sorted(set(targets) - set(place))
    if unknown:
        raise ValueError(f"targets that are not among the labels: {', '.join(map(repr, unknown[:5]))}")
    table = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for target, prediction in zip(targets, predictions, strict=True):
        table[place[target], place.get(prediction, len(labels))] += 1
    return table


def label_scores(targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> tuple[LabelScore, ...]:
    """Return precision, recall and F1 of each label, in the order of `labels`; 0 where the ratio is 0 / 0."""
    table = confusion(targets, predictions, labels)
    hits, wanted, said = _margins(table)
    precision, recall, f1 = _ratio(hits, said), _ratio(hits, wanted), _ratio(2 * hits, wanted + said)
    columns = zip(labels, precision, recall, f1, wanted, strict=True)
    return tuple(LabelScore(name, float(p), float(r), float(f), int(n)) for name, p, r, f, n in columns)


def macro_f1(targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> float:
    """Return the plain mean of the labels' F1, over the labels that are a target or a prediction of some row.

    A prediction off the list is wrong for its target and counts against no other label.

    Source: Opitz and Burst 2019, arXiv:1911.03347, "averaged F1".
    """
    return float(_macro(*_margins(confusion(targets, predictions, labels))))


def macro_f1_interval(
    targets: Sequence[str],
    predictions: Sequence[str],
    labels: Sequence[str],
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the macro F1 and its percentile bootstrap interval over rows.

    With few rows a label the interval is too narrow, and it has no width when every row is right: the verdict
    therefore rests on row scores, never on this.
    """
    table = confusion(targets, predictions, labels)
    rows, columns = np.nonzero(table)  # a resample of rows is a draw of the filled cells
    filled = table[rows, columns]
    total, count = int(filled.sum()), len(labels)
    wanted_by = np.eye(count)[rows]
    said_by = np.eye(count + 1)[columns][:, :count]
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for start, stop in chunks(resamples, len(filled) + 4 * count):
        cells = rng.multinomial(total, filled / total, size=stop - start).astype(np.float64)
        drawn[start:stop] = _macro(cells @ (wanted_by * said_by), cells @ wanted_by, cells @ said_by)
    low, high = np.quantile(drawn, tails(confidence))
    return Interval(float(_macro(*_margins(table))), float(low), float(high))


def _bootstrap(
    sums: Vector, sizes: Vector, limits: tuple[float, float], resamples: int, confidence: float, seed: int
) -> Interval:
    """Return the ratio of the totals, `sums` to `sizes`, with the interval that `mean_interval` describes."""
    value = math.fsum(sums) / float(sizes.sum())
    count = len(sums)
    if count < 2:
        return Interval(value, *limits)
    moments = ratio_moments(sums, sizes, value)
    error = float(ratio_error(moments.sum(0), count))
    rng = np.random.default_rng(seed)
    shifts, pivots = np.empty(resamples), np.empty(resamples)
    for start, stop in chunks(resamples, count):
        place = rng.integers(0, count, (stop - start, count))
        place += np.arange(stop - start)[:, None] * count
        times = np.bincount(place.ravel(), minlength=(stop - start) * count).reshape(-1, count)
        found = (times.astype(np.float64) @ moments).T  # (5, chunk)
        shifts[start:stop] = found[0] / found[1]
        # A resample of equal rows has no error of its own and would send the interval to infinity.
        pivots[start:stop] = shifts[start:stop] / np.maximum(ratio_error(found, count), max(error / 2, 1e-300))
    ends = tails(confidence)
    percentile = np.quantile(shifts, ends)
    student = -error * np.quantile(pivots, ends[::-1])
    low, high = value + min(percentile[0], student[0], 0.0), value + max(percentile[1], student[1], 0.0)
    return Interval(value, max(float(low), limits[0]), min(float(high), limits[1]))


def _macro(hits: NDArray[np.generic], wanted: NDArray[np.generic], said: NDArray[np.generic]) -> Vector:
    both = np.asarray(wanted, dtype=np.float64) + np.asarray(said, dtype=np.float64)
    f1 = _ratio(2 * np.asarray(hits, dtype=np.float64), both)
    return np.asarray(f1.sum(-1) / (both > 0).sum(-1))


def _margins(table: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, per label, the hits, the rows that want it and the rows that say it."""
    return np.diagonal(table), table.sum(1), table[:, :-1].sum(0)


def _ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> Vector:
    over = np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(above, over, out=np.zeros(over.shape), where=over > 0), dtype=np.float64)


def _half_step(column: Vector) -> float:
    """Return half of what a row can add to the sum: an exact test of right and wrong has to pass a whole step."""
    return 1.0 if column.any() and np.isin(column, (-1.0, 0.0, 1.0)).all() else 0.0


def _reach(column: Vector, confidence: float, power: float, count: int) -> float:
    """Return the effect that is found with so many rows as the one of a column, times the root of their number."""
    if len(column) < 2:
        raise ValueError("one row has no spread; at least two are needed")
    normal, degrees = NormalDist().inv_cdf(power), count - 1
    if degrees > 1000:  # Student's t is the normal by then, to a thousandth
        return (normal_reach(confidence) + normal) * float(column.std(ddof=1))
    found = math.copysign(student_reach(2 * abs(power - 0.5), degrees), normal) if normal else 0.0
    return (student_reach(confidence, degrees) + found) * float(column.std(ddof=1))
