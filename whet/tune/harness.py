"""lm-eval's tasks, asked of a model here: `lm-eval:arc_easy`, or a task of one's own, `lm-eval:FOLDER#task`."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from whet.config.tree import Config
from whet.engines.local import Local
from whet.errors import DataError, Problem, UsageError
from whet.evals.evaluate import Answer
from whet.types import Message, Progress, Prompt, Reply, Score

BEGINS = "lm-eval:"


def is_task(data: str) -> bool:
    """Say whether a name means a task of lm-eval."""
    return data.startswith(BEGINS)


def task_answers(data: str, engine: Local, config: Config, show: Progress) -> tuple[list[Answer], list[str]]:
    """Return what a model says to each item of a task, as lm-eval asks and scores it, and what a reader should know.

    With `eval.limit`, only so many items are asked: the task's first.

    Raises:
        UsageError: lm-eval is not installed, or knows no such task. DataError: the task's rows cannot be had.
    """
    if find_spec("lm_eval") is None:
        raise UsageError(f"{data}: needs the extra `harness`: pip install 'whet-llm[harness]'")
    os.environ.setdefault("HF_DATASETS_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))
    import lm_eval
    from datasets import disable_progress_bars
    from lm_eval.tasks import TaskManager

    from whet.tune.harness_model import Harness

    folder, _, task = data.removeprefix(BEGINS).rpartition("#")
    if folder and not Path(folder).is_dir():
        raise UsageError(f"{data}: {folder} is no folder of tasks")
    manager = TaskManager(include_path=folder or None, include_defaults=not folder)
    if task not in manager.all_subtasks:
        raise UsageError(f"{data}: lm-eval has no task {task!r} (a group of tasks is asked one by one)")
    disable_progress_bars()
    harness = Harness(engine, show)
    limit = config.eval.limit if "limit" in config.eval.model_fields_set else None
    try:
        found: Mapping[str, Any] = lm_eval.simple_evaluate(
            harness, tasks=[task], limit=limit, task_manager=manager, bootstrap_iters=0
        )
    except (OSError, ConnectionError, FileNotFoundError) as error:
        what = f"the rows of {task} cannot be had: {(str(error) or repr(error)).splitlines()[0]}"
        raise DataError([Problem(data, 0, what)]) from None
    answers = [_answer(task, sample) for sample in _first_filter(found["samples"][task])]
    version = found["versions"].get(task)
    notes = [f"{task}, version {version}, asked by lm-eval"]
    if harness.cut:
        notes.append(f"{harness.cut:,} requests were longer than the context and lost their beginning")
    return answers, notes


def _first_filter(samples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return one sample an item; a task that reads replies in several ways has one for each."""
    first = samples[0].get("filter")
    return sorted((one for one in samples if one.get("filter") == first), key=lambda one: int(one["doc_id"]))


def _answer(task: str, sample: Mapping[str, Any]) -> Answer:
    scores = {
        name: Score(float(sample[name])) for name in sample["metrics"] if isinstance(sample.get(name), int | float)
    }
    if not scores:
        raise UsageError(f"{BEGINS}{task}: its metrics ({', '.join(sample['metrics'])}) have no value for each item")
    asked = str(sample["arguments"][0][0])
    prompt = Prompt((Message("user", asked),), (str(sample["target"]),), f"{task}:{sample['doc_id']}")
    said = sample["filtered_resps"][0] if sample["filtered_resps"] else ""
    return Answer(prompt, Reply(said if isinstance(said, str) else "", "stop", 0, 0, 0.0), scores)
