"""What the ailments share: the figures of a run, an alarm, and how trends are told from noise.

Steps are compared by thirds: the first third of a run's steps with the last one, by ranks, so that one wild step
decides nothing. Neighboring steps are alike, which makes such a test surer than it should be; every ailment therefore
asks for a size too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, Literal

from whet.config.tree import Config

Line = Mapping[str, Any]
Severity = Literal["grave", "warning"]

ENOUGH = 15
"""Steps without which nothing is told: with fewer no third of them could be told from another at `SURE`."""
SURE = 2.6
"""Standard deviations by which a trend is told from chance: p < 0.005 on one side, as a run is looked at for twenty
ailments."""
MARGIN = 3.0
"""Standard errors that a mean has to lie beyond a bound."""
LARGEST = 1e30
WITHOUT_START = ("simpo", "orpo", "cpo")  # `better` and `worse` are nats there, not what was gained


@dataclass(frozen=True, slots=True)
class Alarm:
    """An ailment: its name, what shows it (numbers and steps), why it matters and what to change."""

    name: str
    severity: Severity
    evidence: str
    why: str
    change: str

    def sentence(self) -> str:
        """Return the alarm as one line."""
        return f"{self.name}: {self.evidence}. {self.why} {self.change}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run has logged so far: lines of metrics.jsonl and evals.jsonl, in order of their steps.

    `planned`: steps that it was to take, 0 where that is not known; `failed`: what it failed with; `report`: what it
    came to, where it has come to something.
    """

    steps: Sequence[Line]
    validations: Sequence[Line]
    config: Config
    planned: int = 0
    failed: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> list[float]:
        """Return a figure of every step that has it."""
        return numbers(self.steps, name)

    def held(self, name: str) -> list[float]:
        """Return a figure of every validation that has it."""
        return numbers(self.validations, name)

    def names(self) -> list[str]:
        """Return the figures that some step has."""
        found = dict.fromkeys(name for line in self.steps for name in line)
        return [name for name in found if name not in ("time", "step") and self.of(name)]

    @property
    def drawn(self) -> bool:
        """Whether replies were drawn while training, so that the loss alone says nothing."""
        return bool(self.of("dead_groups") or self.of("reward"))

    @property
    def method(self) -> str:
        """What learned: as the recipe says, or as its figures do."""
        if self.config.method.name:
            return self.config.method.name
        return "kto" if self.of("moved") else "dpo" if self.of("margin") else "sft"

    @property
    def gains(self) -> bool:
        """Whether `better` and `worse` are nats gained since training began."""
        return bool(self.of("better")) and self.method not in WITHOUT_START

    @property
    def last(self) -> int:
        """The last step there is."""
        return int((self.of("step") or [len(self.steps)])[-1])

    @property
    def halfway(self) -> bool:
        """Whether half of the planned steps are taken, so that what has not come will hardly come."""
        return self.last >= self.planned / 2


def numbers(lines: Iterable[Line], name: str) -> list[float]:
    """Return the finite values under a name, the largest cut so that their squares are finite too."""
    values = (line.get(name) for line in lines)
    known = (float(one) for one in values if isinstance(one, int | float) and abs(one) < 1e300)
    return [max(-LARGEST, min(one, LARGEST)) for one in known]


def thirds(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the first and the last third; both empty where there are too few to tell anything."""
    if len(values) < ENOUGH:
        return (), ()
    width = len(values) // 3
    return values[:width], values[-width:]


def rise(values: Sequence[float]) -> float:
    """Return by how many standard deviations the last third ranks above the first one; 0 of too few.

    Source: Mann and Whitney 1947, "On a test of whether one of two random variables is stochastically larger than the
    other", in its normal form with ties.
    """
    before, after = thirds(values)
    if not before:
        return 0.0
    place = ranks([*before, *after])
    n, m = len(before), len(after)
    u = sum(place[n:]) - m * (m + 1) / 2
    ties = sum(count**3 - count for count in _counts([*before, *after]))
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    return (u - n * m / 2) / math.sqrt(variance) if variance > 0 else 0.0


def ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value from 1, equals sharing their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for one in order[at:end]:
            found[one] = (at + 1 + end) / 2
        at = end
    return found


def _counts(values: Sequence[float]) -> list[int]:
    found: dict[float, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return list(found.values())


def above(values: Sequence[float], bound: float) -> bool:
    """Say whether the mean lies above a bound for sure, of at least five values."""
    return len(values) >= ENOUGH // 3 and fmean(values) - _error(values) > bound


def below(values: Sequence[float], bound: float) -> bool:
    """Say whether the mean lies below a bound for sure, of at least five values."""
    return len(values) >= ENOUGH // 3 and fmean(values) + _error(values) < bound


def _error(values: Sequence[float]) -> float:
    return MARGIN * stdev(values) / math.sqrt(len(values))


def late(figures: Figures, name: str) -> Sequence[float]:
    """Return a figure over the last third of the steps."""
    return thirds(figures.of(name))[1]


def span(figures: Figures) -> str:
    """Return the steps of the last third in words."""
    found = late(figures, "step")
    return f"steps {found[0]:.0f} to {found[-1]:.0f}" if found else f"{figures.last} steps"
