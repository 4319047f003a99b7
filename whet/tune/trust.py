"""How far a judge can be trusted: what it prefers, against what people preferred."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from whet.config.tree import Config
from whet.data.read import read
from whet.errors import DataError, Problem
from whet.evals.bias.columns import Sure, decided
from whet.evals.bias.words import plain
from whet.evals.pairwise import agreement
from whet.train.stop import Stop
from whet.tune.judging import votes_of
from whet.tune.several import kept, opened, pause
from whet.types import Preference, Progress


def trusted(name: str, data: str, config: Config, show: Progress, stop: Stop) -> dict[str, Any]:
    """Return how far a judge agrees with people, on rows of preferences.

    Raises:
        DataError: no row says which of two replies is better.
    """
    begun = time.monotonic()
    dataset = read(data, config.data, "test", show)
    rows = [row for row in dataset.examples if isinstance(row, Preference)][: config.eval.limit]
    if not rows:
        raise DataError([Problem(data, 0, "no row says which of two replies is better; name a file of preferences")])
    judge = opened(name, config, show)
    judge.engine.between = partial(pause, stop)
    sure = Sure(config.eval.resamples, config.eval.confidence, config.seed)
    said = [[turn[-1].spoken for turn in row.replies[:2]] for row in rows]
    turned = [at % 2 == 1 for at in range(len(rows))]  # people's choice is ours in every other row
    pairs = [
        (row.messages, *(reversed(two) if over else two)) for row, two, over in zip(rows, said, turned, strict=True)
    ]
    truth = [None if row.grades[0] == row.grades[1] else not over for row, over in zip(rows, turned, strict=True)]
    with kept([judge], f"judge {data}", config) as folder:
        votes = votes_of(judge.engine, pairs, config, show, folder / "votes.jsonl")
    found = agreement(votes, truth, sure)
    return {
        "judge": name, "data": data, "criterion": config.eval.criterion, **found, "notes": list(dataset.notes),
        "sentence": _trust(found, sure), "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


def _trust(found: Mapping[str, Any], sure: Sure) -> str:
    figure = found["agreement"]
    share = f"it is sure of {found['decided']:.0%} of the pairs that people decided"
    place = "" if found["place"] is None else f"; {found['place']:.0%} of its votes are for what stands first"
    if figure["value"] is None:
        return f"Nothing can be said of this judge: {figure['why']}; {share}{place}."
    kappa = "" if found["kappa"] is None else f", kappa {found['kappa']:.2f}"
    if not decided(figure, sure.confidence) or figure["value"] < 0.5:
        told = f"it agrees with people {plain(figure)}{kappa}, no more than chance would"
        return f"Do not trust this judge: {told}; {share}{place}."
    return f"This judge agrees with people {plain(figure)}{kappa} where it is sure; {share}{place}."
