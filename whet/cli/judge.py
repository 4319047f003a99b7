"""Judging models from the command line: one by itself, or several against each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.cli.progress import Shown, measured, out, out_json
from whet.cli.talk import model_named
from whet.config.load import load
from whet.config.tree import Config
from whet.errors import UsageError
from whet.runs.run import replace_whole
from whet.train.stop import on_signals
from whet.tune.compare_page import compare_page
from whet.tune.several import measure, opened
from whet.tune.trust import trusted

FIELDS = ("status", "metric", "difference", "low", "high", "rows", "baseline", "sentence")
HEARD = {
    "model": {"dtype", "device", "quantize"},
    "data": {"shape", "columns", "instruction", "reasoning", "coerce", "group", "time"},
    "eval": {
        "limit",
        "scorers",
        "choose",
        "max_tokens",
        "resamples",
        "confidence",
        "temperature",
        "judge",
        "criterion",
    },
}
"""The settings that have a say here."""
INSTEAD = {"model.name": "the model is what is named first", "data.limit": "eval.limit is how many questions are asked"}


def heard(overrides: Sequence[str], deaf_to: Sequence[str] = ()) -> Config:
    """Return the settings of an evaluation; `deaf_to` are some that have no say in this one.

    Raises:
        UsageError: settings that have no say in one. ConfigError: as `load`.
    """
    config = load(None, overrides)
    given = config.model_dump(exclude_unset=True)
    keys = [(name, leaf) for name, section in given.items() for leaf in (section if isinstance(section, dict) else ())]
    deaf = [f"{name}.{leaf}" for name, leaf in keys if leaf not in HEARD.get(name, ()) or f"{name}.{leaf}" in deaf_to]
    if deaf:
        lines = [f"{key}: has no say here; {INSTEAD.get(key, 'leave it out')}" for key in deaf]
        raise UsageError("\n".join(lines))
    return config


def evaluate(model: str, files: Sequence[str], overrides: Sequence[str], as_json: bool) -> None:
    """Score a model on a file of questions and answers; a base model is asked as `tune` asks it."""
    if len(files) != 1:
        raise UsageError(f"name one file of questions, not {len(files)}, as in: whet evaluate {model} questions.jsonl")
    (data,) = files
    found = _measured([model], data, overrides)
    figures = next(iter(found["contenders"].values()))["metrics"]
    if as_json:
        out_json({"model": model, "data": data, "rows": found["rows"], "metrics": figures})
        return
    for name, value in figures.items():
        out(f"{name} {measured(value, 4)}, {found['rows']} questions")


def compare(models: Sequence[str], data: str, overrides: Sequence[str], as_json: bool, html: str | None = None) -> None:
    """Ask several models the same questions and say whether the first is the best; `html` is a page to write."""
    if len(models) < 2:
        raise UsageError("name two models or more, as in: whet compare RUN smollm2-135m --data questions.jsonl")
    if html and (Path(html).is_dir() or not Path(html).resolve().parent.is_dir()):
        raise UsageError(f"--html: {html} is no file that could be written; name one in a folder that is there")
    found = _measured(models, data, overrides)
    if html:
        replace_whole(Path(html), compare_page(found, load(None, overrides).eval.confidence))
    if as_json:
        metrics = {name: figures["metrics"] for name, figures in found["contenders"].items()}
        said = {name: found["verdict"][name] for name in FIELDS}
        out_json(
            {**found, "verdict": said, "contenders": metrics, "figures": found["contenders"], "models": list(models)}
        )
        return
    for name, figures in found["contenders"].items():
        shown = ", ".join(f"{metric} {measured(value, 3)}" for metric, value in figures["metrics"].items())
        took = figures["seconds_per_answer"]["median"]
        out(f"{name}: {shown}; {took:.3g} s and {figures['prompt_tokens']:.0f} prompt tokens a question")
    out(found["verdict"]["sentence"])
    for sentence in found.get("judged", {}).get("sentences", ()):
        out(sentence)


def trust(model: str, data: str, overrides: Sequence[str], as_json: bool) -> None:
    """Say how far a judge agrees with people."""
    config = heard(overrides, ("eval.judge", "eval.temperature", "eval.scorers", "eval.choose", "eval.max_tokens"))
    with on_signals() as stop, Shown() as show:
        found = trusted(model_named(model), data, config, show, stop)
        for note in found["notes"]:
            show.say(note)
    if as_json:
        out_json(found)
        return
    out(found["sentence"])


def _measured(models: Sequence[str], data: str, overrides: Sequence[str]) -> dict[str, Any]:
    config = heard(overrides)
    with on_signals() as stop, Shown() as show:
        found = measure([opened(model_named(name), config, show) for name in models], data, config, show, stop)
        for note in found["notes"]:
            show.say(note)
    return found
