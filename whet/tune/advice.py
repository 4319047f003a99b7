"""What to do, from what was measured: prompt, show examples, show passages, tune, gather more data, or stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whet.evals.curve import Curve
from whet.evals.stats import PairedDifference, paired_difference

Action = Literal["prompt", "few_shot", "rag", "tune", "more_data", "stop"]
WAYS: dict[str, Action] = {"zero_shot": "prompt", "prompted": "prompt", "few_shot": "few_shot", "rag": "rag"}
"""Ways that need no training, the cheaper first."""
MORE = 4  # times the rows: what somebody may still gather


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured on the same questions. `rows` is how many there are to train on.

    `constant` is the score of the best answer that is the same to every question. `margin` is the smallest gain worth
    having.
    """

    metric: str
    untuned: Mapping[str, Sequence[float]]
    curve: Curve
    constant: Sequence[float]
    rows: int
    margin: float
    groups: Sequence[object] | None = None
    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do. `sure`: the intervals say so; otherwise it is what is likelier.

    `because` is the evidence and `unless` what would change the advice, in sentences.
    """

    action: Action
    sure: bool
    sentence: str
    because: tuple[str, ...]
    unless: tuple[str, ...]


def advise(found: Found) -> Advice:
    """Return what to do.

    1. Stop, if nothing, not even four times the rows, is expected to beat one answer to all questions.
    2. Tune, if a model tuned on all rows is better than every way without training, by the margin at least.
    3. More data, if it is not, but one tuned on four times the rows would be.
    4. Otherwise the cheapest way without training that is less than the margin behind the best of them.
    """
    best = max(found.untuned, key=lambda name: float(np.mean(found.untuned[name])))
    now, later = found.curve.at(found.rows), found.curve.at(MORE * found.rows)
    gain = _gap(found, now, found.untuned[best])
    further = _gap(found, later, found.untuned[best])
    slope = _gap(found, found.curve.per_doubling(), np.zeros(len(now)))
    above = [_gap(found, column, found.constant) for column in (found.untuned[best], now, later)]
    because = (*_measured(found, best), *_expected(found, gain, further, slope, best))
    if all(one.low <= 0 for one in above):
        action: Action = "stop"
        sure = all(one.high < found.margin for one in above)
        said = f"Stop: nothing beats one answer to all questions ({found.metric} {_mean(found.constant):.3f})"
    elif gain.value >= found.margin and not (gain.low <= 0 and slope.high < 0):
        action, sure = "tune", gain.low > 0
        said = f"Tune: {found.metric} {_mean(now):.3f} is expected of {found.rows:,} rows, {_against(found, best)}"
    elif further.value >= found.margin and slope.low > 0:
        action, sure = "more_data", gain.high < found.margin and further.low > 0
        enough = f"about {_crossing(found, best):,} are not"
        said = f"Gather more data: {found.rows:,} rows are too few to beat {best}, {enough}"
    else:
        cheapest = _cheapest(found, best)
        action, sure = WAYS[cheapest], gain.high < found.margin
        said = f"Do not tune, use {cheapest}: {found.metric} {_mean(found.untuned[cheapest]):.3f}, "
        said += f"and a model tuned on {found.rows:,} rows is expected to reach {_mean(now):.3f}"
    said += "." if sure else "; likely, not certain."
    return Advice(action, sure, said, because, _unless(found, action, best, gain))


def _gap(found: Found, a: object, b: object) -> PairedDifference:
    return paired_difference(
        np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64), found.groups,
        resamples=found.resamples, confidence=found.confidence, seed=found.seed,
    )  # fmt: skip


def _cheapest(found: Found, best: str) -> str:
    """Return the cheapest way that is less than the margin behind the best one."""
    least = _mean(found.untuned[best]) - found.margin
    return next(name for name in WAYS if name == best or _mean(found.untuned.get(name, [-1.0])) > least)


def _crossing(found: Found, best: str) -> int:
    """Return about how many rows are needed to beat the best way without training by the margin."""
    return int(found.curve.rows_for(_mean(found.untuned[best]) + found.margin - _mean(found.curve.scores[-1])))


def _measured(found: Found, best: str) -> list[str]:
    said = [f"{name}: {found.metric} {_mean(column):.3f}" for name, column in found.untuned.items()]
    points = zip(found.curve.counts, found.curve.scores, strict=True)
    said += [f"tuned on {count:,} rows: {found.metric} {_mean(column):.3f}" for count, column in points]
    return [*said, f"one answer to all questions: {found.metric} {_mean(found.constant):.3f}"]


def _expected(
    found: Found, gain: PairedDifference, further: PairedDifference, slope: PairedDifference, best: str
) -> list[str]:
    return [
        f"a doubling of the rows brings {_interval(slope)}",
        f"tuned on all {found.rows:,} rows, expected against {best}: {_interval(gain)}",
        f"tuned on {MORE} times as many, expected against {best}: {_interval(further)}",
    ]


def _unless(found: Found, action: Action, best: str, gain: PairedDifference) -> tuple[str, ...]:
    """Return what would change the advice."""
    if action == "tune":
        reached = f"a way without training that reaches {_mean(found.untuned[best]) + gain.value:.3f}"
        return (reached, f"a cost of training that a gain of {gain.value:+.3f} is not worth")
    if action == "stop":
        return ("a larger base model: this one may not be able to do it", "questions and answers of another kind")
    rising = _mean(found.curve.per_doubling()) > 0
    rows = _crossing(found, best)
    more = f"about {rows:,} rows: there the curve crosses {best}" if rising and rows < 50 * found.rows else ""
    return tuple(filter(None, (more, f"a larger base model, or a loss of {best} on other questions")))


def _against(found: Found, best: str) -> str:
    return f"against {_mean(found.untuned[best]):.3f} for {best}, the best without training"


def _interval(gap: PairedDifference) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def _mean(column: object) -> float:
    return float(np.mean(np.asarray(column, dtype=np.float64)))
