"""Models on one file of questions: each asked as it was trained, all scored alike."""

import fcntl
import hashlib
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from whet.config.places import cache_folder
from whet.config.tree import Config
from whet.data.content import content_hash
from whet.data.preflight import LONGEST_REPLY, instruction_for, with_instruction
from whet.data.read import read
from whet.data.split import draw_prompts, prompts
from whet.engines.endpoint import from_name
from whet.engines.local import Local
from whet.engines.named import Stoppable
from whet.engines.open import open_model
from whet.errors import DataError, Interrupted, Problem, UsageError
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer, replied
from whet.evals.likelihood import scored
from whet.evals.suites import is_suite, load_suite
from whet.models.policy import Policy
from whet.runs.looks import look
from whet.runs.run import disk
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.harness import is_task, task_answers
from whet.tune.interview import Contender, Interview
from whet.tune.judging import preferred
from whet.tune.wordings import instructed, listed
from whet.types import Chat, Dataset, Progress, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class Model:
    """Who answers: `about` is what its folder says of its training, empty for a base model or a server's.

    `weights` tells these weights from others.
    """

    name: str
    engine: Stoppable
    about: dict[str, Any]
    instruction: str | None
    weights: str

    @property
    def labels(self) -> list[str]:
        """The labels that it was trained to name."""
        return [str(label) for label in self.about.get("labels", [])]


def opened(name: str, config: Config, show: Progress) -> Model:
    """Return the model of that name: a run's or a model's folder, a base model, or http://host/v1#model.

    Raises:
        UsageError, EndpointError, ModelError: nobody of that name answers.
    """
    if (server := from_name(name)) is not None:
        return Model(name, server, {}, None, name)
    found = open_model(name, config.model, show.say)
    folders = {found.base_folder, Path(name), Path(name) / "model"}
    files = sorted(file.resolve() for folder in folders for file in folder.glob("*.safetensors"))
    weights = repr([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    return Model(name, found.engine, found.about, found.instruction, weights)


def measure(models: Sequence[Model], data: str, config: Config, show: Progress, stop: Stop) -> dict[str, Any]:
    """Return every model's figures on the questions of a file, or a suite, and, of several, whether the first is best.

    Raises:
        DataError: no question with an answer, or a suite that is not sound.
        UsageError: a server among the models, and everybody is to choose among labels.
    """
    begun = time.monotonic()
    by = _by_task if is_task(data) else _by_suite if is_suite(data) else _by_questions
    heard = by(models, data, config, show, stop)
    return {**_report(data, heard, config), "seconds": round(time.monotonic() - begun, 1)}


@dataclass(frozen=True, slots=True)
class _Heard:
    """What everybody said, by name, and what a reader should know."""

    answers: Mapping[str, Sequence[Answer]]
    remarks: Mapping[str, Sequence[str]]
    labels: Sequence[str]
    notes: Sequence[str]
    judged: Mapping[str, Any] | None = None


def _by_questions(models: Sequence[Model], data: str, config: Config, show: Progress, stop: Stop) -> _Heard:
    """Ask everybody the questions of a file."""
    dataset = read(data, config.data, "test", show)
    labels = sorted({label for model in models for label in model.labels} or dataset.labels)
    rows = [row for row in dataset.examples if isinstance(row, Chat | Prompt)]
    asked = _asked(models, rows, dataset, config)
    if not asked:
        raise DataError([Problem(data, 0, "no question with an answer; raw text cannot be scored this way")])
    known = labels and all(prompt.targets for prompt in asked)
    notes = [*dataset.notes, *(compare.unseen(asked, labels) if known else ())]
    targets = [target for prompt in asked for target in prompt.targets]
    settings = config.eval
    if not settings.scorers and any(prompt.grader is not None for prompt in asked):
        settings = settings.model_copy(update={"scorers": ("grader",)})
    if not settings.scorers and not targets:
        raise DataError([Problem(data, 0, "nothing says what a good reply is; name a scorer with eval.scorers")])
    scorers = compare.scorers_for(settings, targets, labels)
    compare.try_out(scorers, asked)
    longest = config.eval.max_tokens or (longest_reply(models, targets) if targets else LONGEST_REPLY)
    choices = compare.choices(config.eval, labels)
    if choices and not all(isinstance(model.engine, Local) for model in models):
        raise UsageError("eval.choose: a server cannot choose among labels; leave it out")
    sampling = Sampling(config.eval.temperature, max_tokens=longest, choices=choices)
    with kept(models, data, config) as folder:
        interview = Interview(folder, asked, sampling, scorers, show)
        for at, (name, model) in enumerate(zip(called(models), models, strict=True)):
            model.engine.between = partial(pause, stop)
            said = tuple(worded(model, prompt, dataset, config) for prompt in asked)
            interview.sampling = replace(sampling, seed=config.seed + at)  # the same model twice draws anew
            interview.hold(Contender(name, model.engine, said))
            if remark := look(map(content_hash, rows), model.weights):
                notes.append(remark)
        told = None
        if config.eval.judge and len(models) > 1:
            judge = opened(config.eval.judge, config, show)
            judge.engine.between = partial(pause, stop)
            told = preferred(judge.engine, config, interview.answers, called(models)[0], show, folder)
    return _Heard(interview.answers, interview.remarks, labels, notes, told)


def _by_suite(models: Sequence[Model], data: str, config: Config, show: Progress, stop: Stop) -> _Heard:
    """Ask everybody how likely what follows is, or what they reply, as the suite says."""
    suite = load_suite(data)
    servers = [model.name for model in models if not isinstance(model.engine, Local)]
    if servers and suite.kind != "reply":
        raise UsageError(f"{servers[0]}: a server does not tell how likely a text is, which {suite.name} is judged by")
    answers: dict[str, Sequence[Answer]] = {}
    between = partial(pause, stop)
    with kept(models, data, config) as folder:
        for at, (name, model) in enumerate(zip(called(models), models, strict=True)):
            show.begin(f"asking {name}", len(suite.items))
            model.engine.between = between
            if suite.kind == "reply":
                answers[name] = replied(model.engine, suite, show, folder / f"{at}.jsonl", name)
            elif isinstance(engine := model.engine, Local):
                answers[name] = scored(
                    Policy(engine.model), engine.renderer, suite, engine.context, between, show.advance
                )
    return _Heard(answers, dict.fromkeys(answers, ()), (), (f"suite {suite.name}",))


def _by_task(models: Sequence[Model], data: str, config: Config, show: Progress, stop: Stop) -> _Heard:
    """Have lm-eval ask everybody one of its tasks."""
    answers, notes = {}, list[str]()
    for name, model in zip(called(models), models, strict=True):
        if not isinstance(model.engine, Local):
            raise UsageError(f"{model.name}: a server does not tell how likely a text is, which lm-eval asks for")
        model.engine.between = partial(pause, stop)
        answers[name], said = task_answers(data, model.engine, config, show)
        notes += [one for one in said if one not in notes]
    return _Heard(answers, dict.fromkeys(answers, ()), (), notes)


def _report(data: str, heard: _Heard, config: Config) -> dict[str, Any]:
    """Return the object that `--json` prints, but for the time that it took."""
    answers, settings = heard.answers, config.eval
    ours = next(iter(answers))
    metrics = list(answers[ours][0].scores)
    decides = metrics[0] if metrics else "log_loss"
    report: dict[str, Any] = {
        "data": data,
        "rows": len(answers[ours]),
        "clusters": len(set(clusters([answer.prompt for answer in answers[ours]]) or ())) or None,
        "decides": decides,
        "contenders": {
            name: compare.figures(rows, heard.labels, settings, config.seed, heard.remarks[name])
            for name, rows in answers.items()
        },
        "notes": list(heard.notes),
    }
    if heard.judged:
        report["judged"] = heard.judged
    if len(answers) > 1:
        found = compare.verdict(answers, decides, settings, config.seed, ours)
        report["verdict"] = asdict(found)
        report["comparisons"] = compare.comparisons(answers, metrics, settings, config.seed, ours)
        report["examples"] = compare.side_by_side(answers, decides, found.baseline, ours)
    return report


def called(models: Sequence[Model]) -> list[str]:
    """Return what the contenders are called: one that is named twice is told apart by a number."""
    names: list[str] = []
    for model in models:
        times = sum(other.name == model.name for other in models[: len(names)])
        names.append(f"{model.name} ({times + 1})" if times else model.name)
    return names


def _asked(
    models: Sequence[Model], rows: Sequence[Chat | Prompt], dataset: Dataset, config: Config
) -> tuple[Prompt, ...]:
    """Return the questions. Those of a single model are drawn as `tune` draws them, with its instruction."""
    instruction = _instruction(models[0], dataset, config) if len(models) == 1 else None
    asked = prompts([with_instruction(row, instruction) for row in rows])
    return draw_prompts(asked, config.eval.limit)


def _instruction(model: Model, dataset: Dataset, config: Config) -> str | None:
    if model.about:
        return model.instruction if config.data.instruction is None else config.data.instruction
    return instruction_for(config.data.instruction, bool(dataset.labels))


def worded(model: Model, prompt: Prompt, dataset: Dataset, config: Config) -> Prompt:
    """Return a question as this model is asked it: a base model needs to be told the labels."""
    instruction = _instruction(model, dataset, config)
    asked = instructed(prompt, instruction)
    return asked if model.about else listed(dataset.labels)(asked)


def longest_reply(models: Sequence[Model], targets: Sequence[str]) -> int:
    """Return how many tokens a reply may have: as many as the longest answer, by every tokenizer that is at hand."""
    renderers = [model.engine.renderer for model in models if isinstance(model.engine, Local)]
    lengths = [len(renderer.encode(target)) for renderer in renderers for target in targets]
    longest = max(lengths or [len(target.encode()) for target in targets])  # a token is a byte at least
    return 8 * math.ceil((longest + 1) / 8)


def pause(stop: Stop) -> None:
    """Stop between two passes over a model, if that was asked for."""
    if stop.asked:
        raise Interrupted("stopped on request; what was answered is kept. The same command goes on")


@contextmanager
def kept(models: Sequence[Model], data: str, config: Config) -> Iterator[Path]:
    """Give the folder where replies are kept until all are there; what fails or is stopped leaves them."""
    said = repr(([model.weights for model in models], data, config.model_dump()))
    folder = cache_folder() / "interviews" / hashlib.sha256(said.encode()).hexdigest()[:32]
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"the same comparison is going on elsewhere (it holds {folder / 'lock'}); wait for it"
            ) from None
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
