"""Does a model answer what its passage does not say? One model or two, on questions with their passages exchanged."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from whet.config.tree import Config
from whet.data.read import read
from whet.data.split import draw_prompts, prompts
from whet.data.strangers import Strangers, asked, parts
from whet.errors import DataError, Problem
from whet.evals.bias.columns import Sure
from whet.evals.evaluate import Answer, ask, score
from whet.evals.hallucination import Heard, meaning, report
from whet.train.stop import Stop
from whet.tune import compare
from whet.tune.certainty import certainty
from whet.tune.several import Model, called, kept, longest_reply, pause, worded
from whet.types import Chat, Dataset, Progress, Prompt, Sampling

SCORER = "f1"  # where none was asked for: answers out of a passage are short, and their words count


@dataclass(frozen=True, slots=True)
class _Asked:
    """Questions with their own passage, the places of those that got a stranger's, and with no passage."""

    dataset: Dataset
    own: tuple[Prompt, ...]
    strangers: dict[int, Prompt]
    closed: tuple[Prompt, ...]

    @property
    def every(self) -> list[Prompt]:
        return [*self.own, *self.strangers.values(), *self.closed]


def measure(models: Sequence[Model], data: str, config: Config, show: Progress, stop: Stop) -> dict[str, Any]:
    """Return what models say where the passage holds the answer, where it does not, and without one.

    Raises:
        DataError: no question has a passage, or none can be exchanged.
    """
    begun = time.monotonic()
    put = _put(data, config, show)
    sure = Sure(config.eval.resamples, config.eval.confidence, config.seed)
    settings = config.eval if config.eval.scorers else config.eval.model_copy(update={"scorers": (SCORER,)})
    targets = [target for prompt in put.own for target in prompt.targets]
    scorers = compare.scorers_for(settings, targets, [])
    compare.try_out(scorers, put.own)
    sampling = Sampling(max_tokens=config.eval.max_tokens or max(32, longest_reply(models, targets)))
    heard: dict[str, Heard] = {}
    with kept(models, f"hallucination {data}", config) as folder:
        for place, (name, model) in enumerate(zip(called(models), models, strict=True)):
            model.engine.between = partial(pause, stop)
            said = [worded(model, prompt, put.dataset, config) for prompt in put.every]
            show.begin(f"asking {name}", len(said))
            replies = ask(model.engine, said, sampling, show, Path(folder) / f"{place}.jsonl", name, log_loss=False)
            answers = score(put.every, replies, scorers)
            heard[name] = _heard(put, answers, certainty(model.engine, said[: len(put.own)], replies, show))
    metric = next(iter(scorers))
    found = report(heard, metric, sure)
    notes = list(put.dataset.notes)
    if left := len(put.own) - len(put.strangers):
        notes.append(
            f"{left:,} of {len(put.own):,} questions got no stranger's passage: each holds their answer's words"
        )
    return {
        "models": called(models), "data": data, "rows": len(put.own), "strangers": len(put.strangers), "metric": metric,
        "confidence": sure.confidence, **found, "notes": notes, "meaning": meaning(found, sure),
        "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


def _put(data: str, config: Config, show: Progress) -> _Asked:
    """Return the questions, drawn by content, each with the passages that it is asked with."""
    dataset = read(data, config.data, "test", show)
    every = prompts([row for row in dataset.examples if isinstance(row, Chat)])
    found = [(prompt, told) for prompt in every if (told := parts(prompt.messages))]
    if not found:
        what = "no question has a passage before it, parted by an empty line, so that none can be exchanged"
        raise DataError([Problem(data, 0, f"{what}; name the column of the passages: data.columns.context=NAME")])
    strangers = Strangers(told.passage for _, told in found)
    own = draw_prompts([prompt for prompt, _ in found], config.eval.limit)
    exchanged, closed = {}, []
    for at, prompt in enumerate(own):
        told = parts(prompt.messages)
        assert told is not None  # `own` was drawn from those that have one
        closed.append(replace(prompt, messages=asked(prompt.messages, "", told.question)))
        if (other := strangers.find(*told, prompt.targets)) is not None:
            exchanged[at] = replace(prompt, messages=asked(prompt.messages, other, told.question))
    if not exchanged:
        raise DataError([Problem(data, 0, "every passage holds the words of every answer; none can be exchanged")])
    return _Asked(dataset, own, exchanged, tuple(closed))


def _heard(put: _Asked, answers: Sequence[Answer], sure: Sequence[float] | None) -> Heard:
    count = len(put.own)
    exchanged = dict(zip(put.strangers, answers[count : count + len(put.strangers)], strict=True))
    return Heard(
        answers[:count], [exchanged.get(at) for at in range(count)], answers[count + len(put.strangers) :], sure
    )
