"""Are groups of people treated alike? One model or two (the tuned one, its base) on the same rows and their twins."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from whet.config.tree import Config
from whet.data.read import read
from whet.data.split import draw_prompts, prompts
from whet.data.swaps import Axis, Twin, twin
from whet.engines.local import Local
from whet.errors import DataError, Interrupted, Problem, UsageError
from whet.evals.bias import suites
from whet.evals.bias.columns import Column, Sure
from whet.evals.bias.flips import Judged, Pair, report
from whet.evals.bias.suites import SUITES
from whet.evals.bias.words import of_suite, of_swaps
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer, ask, row_logprobs, score
from whet.models.policy import Policy
from whet.scorers.label import named
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.several import Model, called, kept, longest_reply, pause, worded
from whet.types import Chat, Dataset, Progress, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: a file of questions and the axes to swap, and public sets by name with their files."""

    data: str | None
    axes: Sequence[Axis]
    suites: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Swapped:
    """The questions that speak of a group, of how many, and their twins, each with the number of its question."""

    questions: tuple[Prompt, ...]
    twins: tuple[tuple[int, Twin], ...]
    read: int

    @property
    def asked(self) -> list[Prompt]:
        """Everything that is put to a model."""
        return [*self.questions, *(twin.prompt for _, twin in self.twins)]


def measure(models: Sequence[Model], wanted: Wanted, config: Config, show: Progress, stop: Stop) -> dict[str, Any]:
    """Return what can be said of how models treat groups; all files are read before a model is asked.

    Raises:
        DataError: no question speaks of a group, or a file is not the set it is named as.
        UsageError: a server among the models where likelihoods, or a choice among labels, are needed.
    """
    begun = time.monotonic()
    names = called(models)
    swapped = _swapped(wanted, config, show) if wanted.data is not None else None
    items = {name: _drawn(name, path, config) for name, path in wanted.suites.items()}
    servers = [model.name for model in models if not isinstance(model.engine, Local)]
    if servers and items:
        raise UsageError(f"{servers[0]}: a server does not tell likelihoods, which --suite needs; leave it out")
    if servers and config.eval.choose:
        raise UsageError("eval.choose: a server cannot choose among labels; leave it out")
    sure = Sure(config.eval.resamples, config.eval.confidence, config.seed)
    found: dict[str, Any] = {"models": names, "confidence": sure.confidence, "notes": [], "meaning": []}
    if swapped and wanted.data is not None:
        dataset, put = swapped
        found["swaps"] = _asked(models, wanted.data, dataset, put, config, sure, show, stop)
        found["notes"] += dataset.notes
        found["meaning"] += of_swaps(names, found["swaps"], sure.confidence)
    if items:
        found["suites"] = _judged(models, items, sure, show, stop)
        for name, its in found["suites"].items():
            found["notes"] += its["notes"]
            found["meaning"] += of_suite(name, names, its, sure.confidence)
    return {**found, "seconds": round(time.monotonic() - begun, 1)}


def _swapped(wanted: Wanted, config: Config, show: Progress) -> tuple[Dataset, Swapped]:
    data = wanted.data or ""
    dataset = read(data, config.data, "test", show)
    every = prompts([row for row in dataset.examples if isinstance(row, Chat)])
    return dataset, swapped_of(every, wanted.axes, data, labelled=bool(dataset.labels), limit=config.eval.limit)


def swapped_of(every: Sequence[Prompt], axes: Sequence[Axis], data: str, *, labelled: bool, limit: int) -> Swapped:
    """Return at most so many of the questions that speak of a group, drawn by content, with their twins.

    Raises:
        DataError: none speaks of a group.
    """
    speaking = [one for one in every if any(twin(one, axis, labelled=labelled) for axis in axes)]
    if not speaking:
        named = ", ".join(axis.name for axis in axes)
        what = f"none of {len(every):,} questions speaks of a group ({named}), so there is nothing to swap"
        raise DataError([Problem(data, 0, f"{what}; name another file, or a public set with --suite")])
    questions = draw_prompts(speaking, limit)
    twins = [
        (at, found)
        for axis in axes
        for at, one in enumerate(questions)
        if (found := twin(one, axis, labelled=labelled))
    ]
    return Swapped(questions, tuple(twins), len(every))


def _asked(
    models: Sequence[Model],
    data: str,
    dataset: Dataset,
    swapped: Swapped,
    config: Config,
    sure: Sure,
    show: Progress,
    stop: Stop,
) -> dict[str, Any]:
    """Ask every model the questions and their twins, and return what the answers say."""
    labels = sorted({label for model in models for label in model.labels} | set(dataset.labels))
    targets = [target for prompt in swapped.questions for target in prompt.targets]
    scorers = compare.scorers_for(config.eval, targets, labels)
    compare.try_out(scorers, swapped.questions)
    longest = config.eval.max_tokens or longest_reply(models, targets)
    sampling = Sampling(max_tokens=longest, choices=compare.choices(config.eval, labels))
    answers: dict[str, list[Answer]] = {}
    axes = ",".join(sorted({twin.axis for _, twin in swapped.twins}))
    with kept(models, f"bias {axes} {data}", config) as folder:
        for place, (name, model) in enumerate(zip(called(models), models, strict=True)):
            model.engine.between = partial(pause, stop)
            said = [worded(model, prompt, dataset, config) for prompt in swapped.asked]
            show.begin(f"asking {name}", len(said))
            file = Path(folder) / f"{place}.jsonl"
            replies = ask(model.engine, said, sampling, show, file, name, log_loss=False)
            answers[name] = score(swapped.asked, replies, scorers)
    notes = [] if sampling.choices or not labels else _unnamed(answers, labels)
    return {"data": data, **treated(swapped, answers, next(iter(scorers)), labels, sure), "notes": notes}


def treated(
    swapped: Swapped, answers: Mapping[str, Sequence[Answer]], metric: str, labels: Sequence[str], sure: Sure
) -> dict[str, Any]:
    """Return what answers to questions and their twins say of how groups are treated, by model."""
    how = Judged(metric, tuple(labels))
    pairs = {name: _pairs(swapped, its) for name, its in answers.items()}
    return {
        "questions": swapped.read,
        "rows": len(swapped.questions),
        "twins": len(swapped.twins),
        "metric": how.metric,
        "tolerance": None if labels else how.tolerance,
        **report(pairs, how, clusters(swapped.questions), sure),
    }


def groups_treated(
    swapped: Swapped, answers: Mapping[str, Sequence[Answer]], metric: str, labels: Sequence[str], config: Config
) -> dict[str, Any]:
    """Return what the report of a run says of how groups are treated by the models that answered, in words too."""
    sure = Sure(config.eval.resamples, config.eval.confidence, config.seed)
    found = treated(swapped, answers, metric, labels, sure)
    notes = _unnamed(answers, labels) if labels and not config.eval.choose else []
    return {**found, "notes": notes, "meaning": of_swaps(list(answers), found, sure.confidence)}


def _pairs(swapped: Swapped, answers: Sequence[Answer]) -> list[Pair]:
    after = answers[len(swapped.questions) :]
    return [
        Pair(at, one.axis, one.sides, answers[at], other) for (at, one), other in zip(swapped.twins, after, strict=True)
    ]


def _unnamed(answers: Mapping[str, Sequence[Answer]], labels: Sequence[str]) -> list[str]:
    """Return which models name no label how often: an answer that names none before and after has not changed."""
    counts = {name: sum(named(one.reply.text, labels) is None for one in its) for name, its in answers.items()}
    what = "answers name none of the labels, and of those nothing can change; eval.choose=true lets it choose one"
    return [f"{name}: {count:,} of {len(answers[name]):,} {what}" for name, count in counts.items() if count]


def _drawn(name: str, path: str, config: Config) -> list[Any]:
    """Return the rows of a set: all of them, unless `eval.limit` was asked for; then so many, drawn by content."""
    items = list(SUITES[name].read(path))
    if "limit" not in config.eval.model_fields_set or len(items) <= config.eval.limit:
        return items
    digests = [hashlib.sha256(repr(item).encode()).hexdigest() for item in items]
    chosen = sorted(range(len(items)), key=lambda at: digests[at])[: config.eval.limit]
    return [items[at] for at in sorted(chosen)]


def _judged(
    models: Sequence[Model], items: Mapping[str, Sequence[Any]], sure: Sure, show: Progress, stop: Stop
) -> dict[str, Any]:
    """Return what the likelihoods of every model say on each set."""

    def between() -> None:
        if stop.asked:
            raise Interrupted("stopped on request; the same command begins anew")

    measured: dict[str, dict[str, list[Column]]] = {name: {} for name in items}
    for called_so, model in zip(called(models), models, strict=True):
        if not isinstance(model.engine, Local):
            raise UsageError(f"{model.name}: a server does not tell likelihoods")
        policy = Policy(model.engine.model)
        for name, its in items.items():
            rows = SUITES[name].tokens(its, model.engine.renderer)
            long = next((row for row in rows if len(row.ids) > model.engine.context), None)
            if long is not None:
                what = f"has {len(long.ids):,} tokens and the context of {called_so} is {model.engine.context:,}"
                raise UsageError(f"{long.source}: {what}; leave the row out")
            show.begin(f"reading {name} with {called_so}", len(rows))
            said = [one.tolist() for one, _ in row_logprobs(policy, rows, between, show.advance)]
            measured[name][called_so] = SUITES[name].columns(its, rows, said)
    return {name: suites.report(SUITES[name], items[name], measured[name], sure) for name in items}
