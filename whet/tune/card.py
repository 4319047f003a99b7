"""The model card of a run: README.md with the front matter that the Hugging Face hub reads."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from whet.data.trail import sentences
from whet.pages.markdown import fenced, inline, table
from whet.pages.words import clean, number
from whet.tune.loading import is_full, loading, without_places
from whet.tune.page import (
    LOWER,
    STATUS,
    comparison_rows,
    duration,
    headline,
    level,
    test_set,
)
from whet.tune.sections import interval

LICENSES = frozenset(
    ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
     "cc0-1.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "bigscience-openrail-m", "llama2",
     "llama3", "llama3.1", "llama3.2", "llama3.3", "gemma", "unlicense", "other")
)  # fmt: skip
"""Identifiers the hub accepts as they are; any other license is passed on by its name."""


def card(report: Mapping[str, Any], merged: str | None = None) -> str:
    """Return the model card of a run; the same report gives the same card.

    A card may be published, so files are called by their names where the report has where on this machine they lie.

    Args:
        report: what the run came to.
        merged: the folder's name, for the card of the run's model as one plain model.
    """
    report = without_places(clean(report))
    status, sentence = headline(report)
    name = merged or str(report.get("run") or "RUN").rstrip("/").rsplit("/", 1)[-1]
    parts = [
        f"---\n{_front_matter(report, bool(merged))}---",
        f"# {inline(name)}",
        f"**{STATUS.get(status, 'No verdict')}.** {inline(sentence)}",
        "## Intended use", _intended(report),
        "## Training data", _training_data(report),
        "## Results", _results(report),
        "## Limits", _limits(report),
        "## How to load", loading(report, merged),
        "## Environment", _environment(report),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(report: Mapping[str, Any], merged: bool) -> str:
    base = report.get("base") or {}
    full = merged or is_full(report)
    fields: dict[str, Any] = {}
    if base.get("public_name") or base.get("name"):
        fields["base_model"] = str(base.get("public_name") or base["name"])
        fields["base_model_relation"] = "finetune" if full else "adapter"
    scores = report.get("method") == "reward"
    kind = str((report.get("adapter") or {}).get("kind") or "lora")
    fields["library_name"] = "transformers" if full or scores else "peft"
    fields["pipeline_tag"] = "text-classification" if scores else "text-generation"
    fields["tags"] = ["whet", str(report.get("method") or "sft"), *([] if is_full(report) else [kind])]
    known = str(base.get("license") or "")
    if known.lower() in LICENSES:
        fields["license"] = known.lower()
    elif known:
        fields |= {"license": "other", "license_name": known}
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=10_000)


def _intended(report: Mapping[str, Any]) -> str:
    base, data = report.get("base") or {}, report.get("data") or {}
    origin = base.get("public_name") or base.get("name") or "a base model"
    what = "continue text" if data.get("shape") == "text" else "answer questions"
    text = (
        f"{inline(origin)}, tuned to {what} like those of the training data below. The results speak of such data only."
    )
    if base.get("license"):
        text += f" The base model's license is {inline(base['license'])}; the training data may have another."
    return text


def _training_data(report: Mapping[str, Any]) -> str:
    data, training = report.get("data") or {}, report.get("training") or {}
    sides = [f"{number(count, 0)} {inline(side)}" for side, count in (data.get("rows") or {}).items()]
    notes = [str(note) for note in data.get("notes") or ()]
    read = any(note.startswith("read as ") for note in notes)  # with the columns; older reports have the shape alone
    said = [
        f"Rows: {', '.join(sides)}." if sides else "",
        f"Read as: {inline(data['shape'])}." if data.get("shape") and not read else "",
        f"Optimizer steps: {number(training['steps'], 0)}." if training.get("steps") else "",
        f"Tokens seen in training: {number(training['tokens'], 0)}." if training.get("tokens") else "",
        inline(training.get("curve") or ""),
        _doctor(report),
        *map(inline, notes),
    ]
    files = [(path, digest) for path, digest in (data.get("files") or {}).items()]
    instruction = str(data.get("instruction") or "")
    made = [line for trail in (data.get("trails") or {}).values() for line in sentences(trail)]
    parts = [
        _bullets(said),
        table(("File", "SHA-256"), files) if files else "",
        f"What they were made from:\n\n{fenced(chr(10).join(made))}" if made else "",
        f"Instruction, put first where a row has none of its own:\n\n{fenced(instruction)}" if instruction else "",
    ]
    return "\n\n".join(filter(None, parts)) or "Not recorded."


def _doctor(report: Mapping[str, Any]) -> str:
    found = report.get("doctor") or {}
    told = "; ".join(f"{alarm['name']} ({alarm['evidence']})" for alarm in found.get("alarms") or ())
    return f"The doctor: {inline(told or found['sentence'])}." if found else ""


def _results(report: Mapping[str, Any]) -> str:
    who: dict[str, Any] = report.get("contenders") or {}
    if not who:
        return "No contender was measured."
    metrics = list(dict.fromkeys(name for one in who.values() for name in one.get("metrics") or {}))
    metrics.sort(key=lambda name: name != report.get("decides"))
    heads = [f"{name} ({'lower' if name in LOWER else 'higher'} is better)" for name in metrics]
    rows = []
    for name, one in who.items():
        found = [(one.get("metrics") or {}).get(metric) or {} for metric in metrics]
        median = duration((one.get("seconds_per_answer") or {}).get("median"))
        rows.append((name, *(_with_interval(figures) for figures in found), median))
    parts = [
        f"In brackets: the {level(report)}.",
        table(("Contender", *heads, "Median time an answer"), rows),
        *(_remarks(name, one) for name, one in who.items() if one.get("remarks")),
    ]
    compared = comparison_rows(report)
    if compared:
        keys = ("metric", "against", "difference", "interval", "p", "mcnemar", "least", "rows", "reading")
        titles = (
            "Metric", "Tuned against", "Difference", level(report).capitalize(), "p", "McNemar p",
            "Smallest effect it could show", "Questions", "Reading",
        )  # fmt: skip
        parts += [
            "A difference above 0 favors the tuned model, for log_loss too.",
            table(titles, [[row[key] for key in keys] for row in compared]),
        ]
    return "\n\n".join(parts)


def _remarks(name: str, one: Mapping[str, Any]) -> str:
    return f"{inline(name)}: " + "; ".join(inline(remark) for remark in one["remarks"])


def _limits(report: Mapping[str, Any]) -> str:
    longest = (report.get("data") or {}).get("longest")
    compared = len(comparison_rows(report)) > 1
    said = [
        inline(test_set(report)),
        "Only the verdict is a test; the other comparisons are not corrected for their number." if compared else "",
        "Trained and judged once; another seed or another split would give somewhat different numbers.",
        "Not tested: other tasks, languages and sources than those of the test rows; what the base model "
        "could do before and may have lost; safety, bias and truthfulness.",
        f"No training row is longer than {number(longest, 0)} tokens." if longest else "",
    ]
    return _bullets(said)


def _environment(report: Mapping[str, Any]) -> str:
    made = report.get("environment") or {}
    return table(("What", "Version"), list(made.items())) if made else "Not recorded."


def _with_interval(figures: Mapping[str, Any]) -> str:
    around = interval(figures)
    return number(figures.get("value")) + (f" ({around})" if around else "")


def _bullets(said: Iterable[str]) -> str:
    # A bullet may not begin what its text begins: "- 1. x" would be a list in the list.
    return "\n".join("- " + re.sub(r"^(\d+)([.)])", r"\1\\\2", text) for text in said if text)
