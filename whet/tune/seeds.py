"""The same training with other seeds: how much of the result is luck."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from whet.config.load import dump
from whet.config.tree import Config
from whet.evals.bounds import bound
from whet.evals.clusters import clusters
from whet.evals.seeds import seed_difference, summarize_runs
from whet.runs.run import Run
from whet.runs.store import create
from whet.types import Progress, Prompt

ALONE = {"contenders": ("tuned",), "endpoints": (), "judge": None, "seeds": 1}
Carry = Callable[[Config, Run], dict[str, Any]]
"""Carries out a run and returns its report."""


def again(
    config: Config, run: Run, report: dict[str, Any], asked: Sequence[Prompt], carry: Carry, show: Progress
) -> dict[str, Any]:
    """Train with the following seeds too, under RUN/seeds, and return what all of them say together.

    The rows, the questions and the baseline are the same; only the order of rows and the adapter's first weights are
    drawn anew. What was carried out before an interruption is not done again.
    """
    baseline = report["verdict"]["baseline"]
    alone = ALONE if config.eval.forgetting is not None else {**ALONE, "panel": ()}  # a budget changes the model
    columns = [report["scores"]["tuned"]]
    for seed in range(config.seed + 1, config.seed + config.eval.seeds):
        path = run.path / "seeds" / str(seed)
        if (path / "report.json").is_file():
            found: dict[str, Any] = Run(path).read_json("report.json")
        else:
            show.say(f"seed {seed}")
            its = config.model_copy(update={"seed": seed, "eval": config.eval.model_copy(update=alone)})
            other = Run(path) if (path / "run.json").is_file() else create("tune", dump(its), path)
            with other.lock():
                found = carry(its, other)
                other.status = "succeeded"
        columns.append(found["scores"]["tuned"])
    runs = summarize_runs(columns)
    gain = seed_difference(
        columns,
        report["scores"][baseline],
        clusters(asked),
        resamples=config.eval.resamples,
        confidence=config.eval.confidence,
        seed=config.seed,
    )
    told = {**asdict(gain), "low": bound(gain.low), "high": bound(gain.high)}
    told["sentence"] = f"Against {baseline}, other seeds counted: {gain.sentence}"
    return {"baseline": baseline, "means": list(runs.means), "between": runs.between, **told}
