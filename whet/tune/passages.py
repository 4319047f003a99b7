"""Raw text has no questions: base and tuned model are compared by the log-loss of the same held-out passages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from whet.config.tree import Config
from whet.evals.bounds import numbers
from whet.evals.stats import mean_interval
from whet.evals.verdict import Measure, judge
from whet.types import Text, Tokens


def together(rows: Sequence[Tokens], passages: Iterable[Text]) -> list[int]:
    """Return, per row, the first row of all that are one passage, or passages of one group (a user, a document).

    The pieces of a long passage are near to one another, so that counting each would promise too much.
    """
    groups = {passage.source: passage.groups for passage in passages if passage.source}
    leaders = list(range(len(rows)))
    first: dict[str, int] = {}

    def find(at: int) -> int:
        while leaders[at] != at:
            at = leaders[at]
        return at

    for at, row in enumerate(rows):
        for key in (f"source={row.source}", *groups.get(row.source, ())) if row.source else ():
            one, other = find(first.setdefault(key, at)), find(at)
            leaders[max(one, other)] = min(one, other)
    return [find(at) for at in range(len(rows))]


def unit(rows: Sequence[Tokens], leaders: Sequence[int]) -> str:
    """Return what has one loss each: a passage, or a group of them."""
    passages = {row.source or at for at, row in enumerate(rows)}
    return "passage" if len(set(leaders)) == len(passages) else "group"


def by_passage(losses: Sequence[float], rows: Sequence[Tokens], leaders: Sequence[int]) -> list[float]:
    """Return the log-loss of each passage or group, in nats a token of all its rows, in the order of the first."""
    sums, counts = dict[int, float](), dict[int, int]()
    for loss, row, leader in zip(losses, rows, leaders, strict=True):
        sums[leader] = sums.get(leader, 0.0) + loss * row.trained
        counts[leader] = counts.get(leader, 0) + row.trained
    return [sums[leader] / counts[leader] for leader in sums]


def judged(losses: Mapping[str, Sequence[float]], unit: str, config: Config) -> dict[str, Any]:
    """Return what the report says of the contenders' losses, one for each passage or group."""
    measure = Measure("log_loss", lower=True, unit=unit)
    options: Any = {"resamples": config.eval.resamples, "confidence": config.eval.confidence, "seed": config.seed}
    return {
        "contenders": {
            name: {"metrics": {measure.name: numbers(mean_interval(values, **options))}, "remarks": []}
            for name, values in losses.items()
        },
        "decides": measure.name,
        "verdict": asdict(judge(measure, losses["tuned"], {"zero_shot": losses["zero_shot"]}, **options)),
    }
