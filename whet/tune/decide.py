"""Should one tune? The cheap ways and short trainings on growing parts of the rows, judged on rows set apart."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from whet.config.load import dump
from whet.config.tree import Config
from whet.data.read import read
from whet.data.split import prompts
from whet.evals.bounds import numbers
from whet.evals.clusters import clusters
from whet.evals.curve import Curve
from whet.evals.stats import mean_interval
from whet.evals.verdict import Measure, judge
from whet.runs.run import Run, replace_whole
from whet.runs.store import create
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.advice import Advice, Found, advise
from whet.tune.advice_page import advice_page
from whet.tune.pace import Pace, pace
from whet.tune.trial import CHOOSE, JUDGE, LEARN, Rows, set_apart
from whet.tune.tune import tune
from whet.types import Chat, Progress, Prompt, Scorer

UNTUNED = ("zero_shot", "prompted", "few_shot", "rag")
FIRST = 100  # rows of the first training at most: it tells how long others take
PARTS = (0.25, 0.5, 1.0)
CONSTANTS = 30  # answers that are tried as the one to all questions
KNOWN = 100  # training questions by which it is chosen


def decide(config: Config, run: Run, show: Progress, stop: Stop) -> dict[str, Any]:
    """Carry out the trial, or what is left of it, and return the report that it wrote.

    Raises:
        DataError: unusable rows, or too few. And whatever `tune` raises.
    """
    begun = time.monotonic()
    rows = _rows(config, run, show)
    first = max(4, min(FIRST, rows.learn // 4))
    time_for = pace(config, run, rows, show)
    trial = _Trial(config, run, rows, time_for, show, stop)
    untuned = [name for name in UNTUNED if time_for.choosing or name != "prompted"]
    reports = {first: trial.carry_out(first, untuned)}
    took = reports[first]["seconds"]
    per_row = (took["training"] + took["evaluation"] / 5) / first  # the others ask the tuned model alone
    left = max(0.0, 60 * config.decide.minutes - took["total"])
    most = max(first, min(rows.learn, int(left / max(1e-9, per_row) / sum(PARTS))))
    for part in PARTS:
        count = round(part * most)
        if all(abs(count - done) > 0.2 * done for done in reports):
            reports[count] = trial.carry_out(count, ())
    report = _report(config, run, rows, reports, time.monotonic() - begun)
    run.write_json("report.json", report)
    replace_whole(run.path / "report.html", advice_page(report))
    return report


def _rows(config: Config, run: Run, show: Progress) -> Rows:
    """Return the rows of the trial, set apart once."""
    file = run.path / "rows.json"
    if not file.exists():
        found = set_apart(str(config.data.train), config.data, run.path / "rows", show)
        run.write_json(file.name, {**asdict(found), "folder": str(found.folder)})
        for note in found.notes:
            show.say(note)
    said = run.read_json(file.name)
    rows = Rows(**{**said, "folder": run.path / "rows", "notes": tuple(said["notes"])})
    show.say(
        f"{rows.learn:,} rows to learn from, {rows.choose:,} to choose ways by, {rows.judge:,} to judge on; "
        f"{rows.unseen:,} are left unseen for the test"
    )
    return rows


class _Trial:
    """Trains on some of the rows and asks everybody the same questions."""

    def __init__(self, config: Config, run: Run, rows: Rows, time_for: Pace, show: Progress, stop: Stop) -> None:
        self._config, self._run, self._rows, self._show, self._stop = config, run, rows, show, stop
        self._time_for = time_for
        learned = read(rows.folder / LEARN, config.data).examples
        self._examples = [row for row in learned if isinstance(row, Chat)]

    def carry_out(self, count: int, untuned: Sequence[str]) -> dict[str, Any]:
        """Return the report of training on so many rows, beside ways without training."""
        path = self._run.path / "trials" / f"{count}"
        if (path / "report.json").is_file():
            found: dict[str, Any] = Run(path).read_json("report.json")
            return found
        config = self._for(count, untuned)
        run = Run(path) if (path / "run.json").is_file() else create("tune", dump(config), path)
        self._show.say(f"training on {count:,} rows")
        with run.lock():
            report = tune(config, run, self._show, self._stop, trial=self._examples)
            run.status = "succeeded"
        return report

    def _for(self, count: int, untuned: Sequence[str]) -> Config:
        folder, config = self._rows.folder, self._config
        given = config.eval.model_fields_set & {"shots", "passages"}
        files = {"train": folder / LEARN, "validation": folder / CHOOSE, "test": folder / JUDGE}
        data = config.data.model_copy(
            update={
                **{key: str(path) for key, path in files.items() if path.stat().st_size},
                "limit": count,
                "folds": None,
                "time": None,
                "stratify": False,
            }
        )
        asked: dict[str, Any] = {"contenders": (*untuned, "tuned"), "shots": "auto", **self._time_for.settings()}
        asked |= {name: getattr(config.eval, name) for name in given}
        return config.model_copy(update={"data": data, "eval": config.eval.model_copy(update=asked)})


def _report(config: Config, run: Run, rows: Rows, reports: dict[int, dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return what was found and what to do."""
    counts = sorted(reports)
    last = reports[counts[-1]]
    first = next(report for report in reports.values() if "zero_shot" in report["scores"])
    metric = first["decides"]
    untuned = {name: first["scores"][name] for name in UNTUNED if name in first["scores"]}
    tuned = [reports[count]["scores"]["tuned"] for count in counts]
    asked, constant = _constant(config, rows, metric, {Path(source).name for source in first["sources"]})
    groups = clusters(asked)
    options: dict[str, Any] = {"resamples": config.eval.resamples, "confidence": config.eval.confidence}
    every = rows.learn + rows.judge  # what `tune` would train on
    found = Found(
        metric, untuned, Curve.of(counts, tuned), constant, every, config.decide.margin, groups,
        seed=config.seed, **options,
    )  # fmt: skip
    advice: Advice = advise(found)
    names = {
        "constant": constant,
        **untuned,
        **{f"tuned on {count}": one for count, one in zip(counts, tuned, strict=True)},
    }
    verdict = judge(Measure(metric), tuned[-1], untuned, groups=groups, seed=config.seed, **options)
    return {
        "run": str(run.path),
        "recommendation": advice.action,
        "sure": advice.sure,
        "sentence": advice.sentence,
        "because": list(advice.because),
        "unless": list(advice.unless),
        "metric": metric,
        "verdict": asdict(verdict),
        "contenders": {
            name: {metric: numbers(mean_interval(column, groups, seed=config.seed, **options))}
            for name, column in names.items()
        },
        "costs": {
            **{name: _cost(first, name) for name in untuned},
            "tuned": {**_cost(last, "tuned"), "training_seconds": last["seconds"]["training"]},
        },
        "curve": [{"rows": count, "value": fmean(one)} for count, one in zip(counts, tuned, strict=True)],
        "rows": {"learn": rows.learn, "choose": rows.choose, "judge": rows.judge, "unseen": rows.unseen},
        "trials": [str(Path(reports[count]["run"])) for count in counts],
        "seconds": round(seconds, 1),
    }


def _cost(report: dict[str, Any], name: str) -> dict[str, Any]:
    figures = report["contenders"][name]
    return {
        "seconds_per_answer": figures["seconds_per_answer"]["median"],
        "prompt_tokens": figures["prompt_tokens"],
        "completion_tokens": figures["completion_tokens"],
        "remarks": figures["remarks"],
    }


def _constant(
    config: Config, rows: Rows, metric: str, sources: Collection[str]
) -> tuple[tuple[Prompt, ...], list[float]]:
    """Return the questions, and the scores of the best of some training answers given to all of them.

    It is chosen on training rows; what is not above it has learned nothing of the questions.
    """
    learned = [row for row in read(rows.folder / LEARN, config.data).examples if isinstance(row, Chat)]
    judged = prompts(read(rows.folder / JUDGE, config.data).examples)
    asked = tuple(prompt for prompt in judged if Path(prompt.source).name in sources)
    scorer: Scorer = compare.scorers_for(config.eval.model_copy(update={"scorers": (metric,)}), [], [])[metric]
    answers = [row.messages[-1].spoken for row in learned]
    tried = [answer for answer, _ in Counter(answers).most_common(CONSTANTS)]
    known = prompts(learned)[:KNOWN]
    best = max(tried, key=lambda answer: fmean(scorer(prompt, answer).value for prompt in known))
    return asked, [scorer(prompt, best).value for prompt in asked]
