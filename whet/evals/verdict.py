"""Did tuning help: one answer, in plain words, from scores on the same questions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from whet.evals.bounds import bound
from whet.evals.stats import (
    PairedDifference,
    group_sums,
    minimum_detectable_effect,
    paired_difference,
    rows_needed,
    sign_flip,
)

ALIKE = 0.05
"""Models that scored the same on every row are told to be alike once, at the level of confidence, fewer than this share
of such rows can differ: 59 rows at 95 % (the rule of three says 3 / rows)."""

TUNED = "tuned"
Status = Literal["better", "not_better", "cannot_tell"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What the scores are: a metric's name, whether less of it is better, and what has one score each.

    `telling` names other metrics to look at where this one is 0 for everybody; `ours` is who is judged.
    """

    name: str
    lower: bool = False
    unit: str = "question"
    telling: tuple[str, ...] = ()
    ours: str = TUNED


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the tuned model beats the strongest baseline, with the numbers that say so.

    `difference` is the gain, above 0 where tuning is better: tuned minus baseline, for a metric of which less is better
    baseline minus tuned; `low` and `high` are its interval (None where nothing bounds it). `minimum_effect` is the
    smallest difference these rows would show four times in five (None for a single row, and where the difference does
    not vary from row to row). `rows_needed` is set only when the answer is "cannot_tell" and more rows could change
    that.
    """

    status: Status
    metric: str
    difference: float
    low: float | None
    high: float | None
    rows: int
    p_value: float
    minimum_effect: float | None
    rows_needed: int | None
    baseline: str
    sentence: str
    unit: str = "question"


def judge(
    measure: str | Measure,
    tuned: Sequence[float],
    baselines: Mapping[str, Sequence[float]],
    *,
    groups: Sequence[object] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    margin: float = 0.0,
) -> Verdict:
    """Return the verdict on scores of the same rows in the same order: 0 or more, higher being better.

    Where the measure says that lower is better, they are any numbers. Rows of one group (a conversation, a document)
    are not independent: they are drawn, and their signs turned, together.

    The tuned model meets the baseline with the highest mean, the first of equals. The best of several looks
    better than it is, so picking it makes "better" harder to earn, never easier.

    - "not_better": every row has the same score, and there are enough of them that fewer than `ALIKE` (or `margin`,
      where that is less) of such rows can differ; or the whole interval lies at or below `margin`, the smallest gain
      worth having, and the sign-flip test rejects a gain of `margin`.
    - "better": the whole interval lies above 0 and the sign-flip test rejects 0. A tie is never a win.
    - "cannot_tell": anything else, and scores that are 0 for everybody on every row: the metric then tells nothing,
      however many the rows. `rows_needed` is for a difference as large as the one observed; when that is not positive,
      for `margin`, or without one for half of `minimum_effect`.

    A gain that is certain but smaller than `margin` is "not_better". Fewer rows than `_fewest` cannot win or
    lose.

    Raises: ValueError if there is no baseline, no row, unequal counts, a score that is not finite or a
    negative margin.
    """
    measure = Measure(measure) if isinstance(measure, str) else measure
    _demand(measure.name, tuned, baselines, margin)
    sign = -1.0 if measure.lower else 1.0
    baseline = max(baselines, key=lambda name: sign * math.fsum(baselines[name]))
    ours, theirs = ([sign * float(score) for score in column] for column in (tuned, baselines[baseline]))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    found = paired_difference(ours, theirs, groups, resamples=resamples, confidence=confidence, seed=seed)
    independent = len(group_sums(differences, groups))
    told = independent > 1 and varies(differences)
    least = minimum_detectable_effect(differences, confidence, groups=groups) if told else None

    silent = not measure.lower and not any(ours) and not any(theirs)
    if not any(differences):
        enough = _enough(confidence, margin)
        status: Status = "not_better" if independent >= enough and not silent else "cannot_tell"
        needed = enough if independent < enough and not silent else None
    else:
        against = sign_flip(group_sums([one - margin for one in differences], groups), resamples=resamples, seed=seed)
        status = _told(found, against, margin, 1 - confidence)
        needed = _needed(found, differences, groups, least, margin, confidence) if status == "cannot_tell" else None
    means = f"{measure.name} {_mean(tuned):.3f} against {_mean(baselines[baseline]):.3f} for {baseline}"
    means += " (lower is better)" * measure.lower
    sentence = _sentence(status, means, found, confidence, needed, margin, measure)
    return Verdict(
        status=status, metric=measure.name, difference=found.value, low=bound(found.low), high=bound(found.high),
        rows=found.rows, p_value=found.p_value, minimum_effect=least, rows_needed=needed, baseline=baseline,
        sentence=sentence, unit=measure.unit,
    )  # fmt: skip


def _told(found: PairedDifference, against: float, margin: float, level: float) -> Status:
    """Return the status of rows that differ; `against` is the p-value of a gain of `margin`."""
    if found.high <= margin and against < level:
        return "not_better"
    return "better" if found.low > 0 and found.p_value < level else "cannot_tell"


def varies(differences: Sequence[float]) -> bool:
    """Say whether rows differ from one another: without that, nothing is known of what more of them would show."""
    return max(differences) - min(differences) > 1e-9  # less is rounding


def _demand(metric: str, tuned: Sequence[float], baselines: Mapping[str, Sequence[float]], margin: float) -> None:
    if not baselines:
        raise ValueError("no baseline to compare with; keep zero_shot or few_shot in eval.contenders")
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be 0 or more, not {margin}")
    for name, scores in baselines.items():
        _check(metric, tuned, name, scores)


def _check(metric: str, tuned: Sequence[float], name: str, scores: Sequence[float]) -> None:
    if not len(tuned):
        raise ValueError(f"no {metric} scores to judge; the test split is empty")
    if len(tuned) != len(scores):
        raise ValueError(f"{len(tuned)} {metric} scores for tuned but {len(scores)} for {name}; score the same rows")
    for who, column in (("tuned", tuned), (name, scores)):
        bad = [row for row, score in enumerate(column) if not math.isfinite(score)]
        if bad:
            raise ValueError(f"the {metric} score of {who} is not finite on row {bad[0]} ({len(bad)} such rows)")


def _mean(scores: Sequence[float]) -> float:
    return math.fsum(scores) / len(scores)


def _fewest(confidence: float) -> int:
    """Return the fewest rows with which the sign-flip test can reject: its least p is 2 / 2 ** rows."""
    return math.floor(1 - math.log2(1 - confidence)) + 1


def _enough(confidence: float, margin: float) -> int:
    """Return how many rows without a difference rule out that as many as `ALIKE`, or `margin`, of them differ."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - min(margin or ALIKE, ALIKE)))


def _needed(
    found: PairedDifference,
    differences: Sequence[float],
    groups: Sequence[object] | None,
    least: float | None,
    margin: float,
    confidence: float,
) -> int:
    """Return about how many rows would settle it: more than there are, and enough for the test."""
    more = max(found.rows + 1, _fewest(confidence))
    effect = found.value if found.value > 1e-9 else margin or (least or 0.0) / 2  # less is rounding, not a gain
    if least is None or effect <= 0:
        return more
    return max(more, rows_needed(differences, effect=effect, confidence=confidence, groups=groups))


def _sentence(
    status: Status,
    means: str,
    found: PairedDifference,
    confidence: float,
    needed: int | None,
    margin: float,
    measure: Measure,
) -> str:
    units = f"{found.rows:,} {measure.unit}" + "s" * (found.rows != 1)
    interval = "no interval"
    if math.isfinite(found.high - found.low):
        interval = f"{100 * confidence:g} % interval {_signed(found.low)} to {_signed(found.high)}"
    gap = f"a {'gain' if measure.lower else 'difference'} of {_signed(found.value)}"
    if status == "better":
        helped = "Tuning helped" if measure.ours == TUNED else f"{measure.ours} is better"
        return f"{helped}: {means}, {gap} ({interval}, {units})."
    refused = "Do not tune" if measure.ours == TUNED else f"{measure.ours} is not better"
    alike = found.value == found.low == found.high == 0
    if needed is not None:
        more = f"about {_round(needed):,} would be needed"
        if alike:
            return f"Cannot tell with {units}: {means}, the same score on each; {more}."
        return f"Cannot tell with {units}: {means}, {gap} ({interval}); {more}."
    if status == "cannot_tell":
        look = f"look at {' and '.join(measure.telling)}" if measure.telling else "name another with eval.scorers"
        return f"Cannot tell with {units}: {measure.name} is 0 for everybody, so it tells nothing here; {look}."
    if alike:
        return f"{refused}: {means}, the same score on each of {units}."
    small = f"; a gain of {margin:.3f} or more is ruled out" if margin > 0 else ""
    return f"{refused}: {means}, {gap} ({interval}, {units}){small}."


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # adding 0 turns -0.0 into 0.0


def _round(count: int) -> int:
    """Return the count rounded up to two digits, for it is an estimate; below 100 it is left alone."""
    unit = 10 ** max(0, len(str(count)) - 2) if count >= 100 else 1
    return -(-count // unit) * unit
