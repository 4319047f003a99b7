"""The report of a run as one HTML page that loads nothing.

The template beside this file lays out; what it shows is prepared here. Whatever came from users or models is
text: escaped by the template, with characters that a page cannot hold replaced by ones that can be seen.

Beside the keys that every run writes, a report may have `differences`: the gain of tuned over the verdict's
baseline on each test question, drawn as a histogram.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from whet.config.adapters import VIRTUAL
from whet.data.trail import sentences
from whet.pages.words import clean, finite, number, template
from whet.tune import plots, sections
from whet.tune.sections import chance, interval, signed

LOWER = frozenset({"log_loss"})
"""Metrics of which less is better."""
STATUS = {"better": "Better", "not_better": "Not better", "cannot_tell": "Cannot tell"}
"""The verdict in a word."""
ABOUT = {
    "zero_shot": "base model, asked as it is",
    "prompted": "base model, in the wording that did best on validation questions",
    "few_shot": "base model, with training rows as examples in its prompt",
    "rag": "base model, with passages in its prompt",
    "tuned": "the tuned model",
    "teacher": "the model that it learned from",
    "tuned_rag": "the tuned model, with passages in its prompt",
}


def page(report: Mapping[str, Any]) -> str:
    """Return the report of a run as one HTML page; the same report gives the same page."""
    report = clean(report)
    status, sentence = headline(report)
    run = str(report.get("run") or "RUN")
    return template(Path(__file__).with_name("page.html")).render(
        status=status, word=STATUS.get(status, "No verdict"), sentence=sentence, run=run,
        about=_facts(report), level=level(report), test_set=test_set(report),
        contenders=contender_rows(report), comparisons=comparison_rows(report),
        training=_training(report), figures=_figures(report), examples=example_rows(report),
        labels=[_label(row) for row in report.get("labels") or ()], data=_data(report),
        recipe=str(report.get("recipe") or ""), adapter=_pairs(report.get("adapter")),
        base=_pairs(report.get("base")), environment=_pairs(report.get("environment")),
        lineage=_pairs(report.get("lineage")), commands=commands(report), beside=told_beside(report),
        forgetting=sections.forgetting(report), bias=sections.bias(report), where=sections.where(report),
        known=sections.certainty(report), doctor=report.get("doctor") or {},
    )  # fmt: skip


def told_beside(report: Mapping[str, Any]) -> list[str]:
    """Return the sentences that a report has beside its verdict.

    Of the teacher, of other seeds, of a judge, of what was forgotten.
    """
    said = [report[name]["sentence"] for name in ("distilled", "seeds") if name in report]
    said += report["judged"]["sentences"] if "judged" in report else []
    said += [report["moved_sentence"]] if report.get("moved_sentence") else []
    return said + ([report["forgetting"]["sentence"]] if "sentence" in report.get("forgetting", {}) else [])


def commands(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the commands that use a run's model, whole, by what they are for."""
    run = shlex.quote(str(report.get("run") or "RUN"))
    if report.get("method") == "reward":
        return {}
    told = {
        "Talk to it": f"whet chat {run}",
        "Have it answer": f"whet generate {run} --input prompts.jsonl --output replies.jsonl",
    }
    if (report.get("adapter") or {}).get("kind") not in ("full", *VIRTUAL):  # one plain model already, or never
        told["Take it elsewhere"] = f"whet export {run} --merged merged-model"
    return told


def headline(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return the verdict's status ("none" without a verdict) and its sentence."""
    verdict = report.get("verdict") or {}
    if verdict.get("sentence"):
        return str(verdict.get("status") or "none"), str(verdict["sentence"])
    who = report.get("contenders") or {}
    losses = {name: _metric(figures, "log_loss").get("value") for name, figures in who.items()}
    if finite(losses.get("tuned")) and finite(losses.get("zero_shot")):
        before, after = number(losses["zero_shot"]), number(losses["tuned"])
        return "none", f"Log-loss {before} before tuning, {after} after; no test of the difference was made."
    return "none", "Nothing was compared, so whether tuning helped is not known."


def duration(seconds: Any) -> str:
    """Return a span of time as people say it: "0.31 s", "42 s", "7 min 11 s", "2 h 05 min"."""
    if not finite(seconds):
        return "-"
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def level(report: Mapping[str, Any]) -> str:
    """Return what to call the intervals: "95 % interval" if the recipe says their level."""
    try:
        recipe = yaml.safe_load(str(report.get("recipe") or ""))
        found = float(recipe["eval"]["confidence"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return "interval"
    return f"{100 * found:g} % interval"


def test_set(report: Mapping[str, Any]) -> str:
    """Return what the test set is able to show, in a sentence; nothing if that is not known."""
    verdict = report.get("verdict") or {}
    if not finite(verdict.get("rows")):
        return ""
    rows, metric = number(verdict["rows"], 0), verdict.get("metric") or "the deciding metric"
    unit = _unit(report)
    text = f"With {rows} test {unit}{'s' * (rows != '1')}, "
    if finite(verdict.get("minimum_effect")):
        least = number(verdict["minimum_effect"])
        text += f"the smallest difference in {metric} that would show four times in five is about {least}."
    else:
        why = "one alone does not say" if rows == "1" else "it was the same on each of them"
        text += f"how small a difference in {metric} would show is not known: {why}."
    if finite(verdict.get("rows_needed")):
        text += f" About {number(verdict['rows_needed'], 0)} {unit}s would settle it."
    return text


def _unit(report: Mapping[str, Any]) -> str:
    """Return what has one score each: a question, or a passage of raw text."""
    return str((report.get("verdict") or {}).get("unit") or "question")


def comparison_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the comparisons as text; without any, the verdict's own. A difference above 0 favors tuned."""
    verdict = report.get("verdict")
    found = report.get("comparisons") or ([{**verdict, "against": verdict.get("baseline")}] if verdict else [])
    return [
        {
            "metric": row.get("metric") or "-",
            "against": row.get("against") or "-",
            "difference": signed(row.get("difference")),
            "interval": interval(row, sign=True) or "-",
            "p": chance(row.get("p_value")),
            "mcnemar": chance(row.get("mcnemar")),
            "least": number(row.get("minimum_effect")),
            "rows": number(row.get("rows"), 0),
            "reading": _reading(row),
        }
        for row in found
    ]


def _reading(row: Mapping[str, Any]) -> str:
    ends = _numbers([row.get("low"), row.get("high")])
    if len(ends) < 2:
        return "-"
    return "tuned better" if ends[0] > 0 else "tuned worse" if ends[1] < 0 else "not told apart"


def contender_rows(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return every contender's figures as text."""
    who: dict[str, Any] = report.get("contenders") or {}
    decides = report.get("decides")
    metrics = list(dict.fromkeys(name for one in who.values() for name in one.get("metrics") or {}))
    metrics.sort(key=lambda name: name != decides)  # the one that decides comes first
    rows = []
    for name, one in who.items():
        seconds = one.get("seconds_per_answer") or {}
        rows.append(
            {
                "name": name,
                "about": ABOUT.get(name, ""),
                "cells": [
                    {"value": number(found.get("value")), "interval": interval(found), "metric": metric}
                    for metric in metrics
                    for found in [_metric(one, metric)]
                ],
                "median": duration(seconds.get("median")),
                "p95": duration(seconds.get("p95")),
                "prompt": number(one.get("prompt_tokens"), 0),
                "completion": number(one.get("completion_tokens"), 0),
                "ended": _percent(one.get("ended")),
                "remarks": [str(remark) for remark in one.get("remarks") or ()],
            }
        )
    return {"metrics": metrics, "entries": rows, "decides": decides, "lower": LOWER}


def example_rows(
    report: Mapping[str, Any], titles: tuple[str, str] = ("tuning won", "tuning lost"), ours: str = "tuned"
) -> list[dict[str, Any]]:
    """Return the questions on which one contender won and lost most, as text."""
    shown = report.get("examples") or {}
    return [
        {"side": side, "title": f"Where {title}", "entries": [_example(row, ours) for row in shown.get(side) or ()]}
        for side, title in zip(("won", "lost"), titles, strict=True)
    ]


def _example(row: Mapping[str, Any], ours: str) -> dict[str, Any]:
    replies, scores = row.get("replies") or {}, row.get("scores") or {}
    return {
        "question": str(row.get("question") or ""),
        "source": row.get("source") or "",
        "targets": [str(target) for target in row.get("targets") or ()],
        "replies": [
            {"name": name, "text": str(replies[name] or ""), "score": number(scores.get(name))}
            for name in sorted(replies, key=lambda name: name != ours)
        ],
        "difference": signed(row.get("difference")),
    }


def _label(row: Mapping[str, Any]) -> dict[str, str]:
    shares = {key: number(row.get(key)) for key in ("precision", "recall", "f1")}
    return {"label": str(row.get("label")), **shares, "rows": number(row.get("rows"), 0)}


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    base, seconds, data = (report.get(key) or {} for key in ("base", "seconds", "data"))
    facts = [
        ("Run", report.get("run")),
        ("Base model", base.get("name")),
        ("Made", _moment(report.get("created"))),
        ("Took", duration(seconds.get("total"))),
        ("Training", duration(seconds.get("training"))),
        ("Evaluation", duration(seconds.get("evaluation"))),
        ("Decided by", report.get("decides")),
        (f"Test {_unit(report)}s", number(data.get("questions"), 0)),
    ]
    return [(key, str(value)) for key, value in facts if value and value != "-"]


def _training(report: Mapping[str, Any]) -> dict[str, Any]:
    training = report.get("training") or {}
    counts = ("steps", "best_step", "rows", "tokens", "trained_tokens", "tokens_per_second", "seconds")
    facts = [(key.replace("_", " "), number(training.get(key), 0)) for key in counts]
    for key, unit, each in (("peak_memory_bytes", "GiB", 2**30), ("matrix_rate_share", "%", 0.01)):
        if finite(training.get(key)):
            facts.append((key.replace("_bytes", "").replace("_", " "), f"{number(training[key] / each, 1)} {unit}"))
    ends = _numbers(training.get("loss"))
    facts.append(("loss", f"{number(ends[0])} to {number(ends[-1])}" if ends else "-"))
    return {
        "curve": training.get("curve") or "",
        "facts": [(key, value) for key, value in facts if value != "-"],
        "plan": _pairs(training.get("plan")),
    }


def _data(report: Mapping[str, Any]) -> dict[str, Any]:
    data = report.get("data") or {}
    facts = [
        ("read as", str(data.get("shape") or "-")),
        *((f"{side} rows", number(count, 0)) for side, count in (data.get("rows") or {}).items()),
        (f"{_unit(report)}s judged on", number(data.get("questions"), 0)),
        ("tokens", number(data.get("tokens"), 0)),
        ("trained tokens", number(data.get("trained_tokens"), 0)),
        ("longest row allowed (tokens)", number(data.get("longest"), 0)),
    ]
    return {
        "facts": [(key, value) for key, value in facts if value != "-"],
        "files": _pairs(data.get("files")),
        "made": [line for trail in (data.get("trails") or {}).values() for line in sentences(trail)],
        "notes": [str(note) for note in data.get("notes") or ()],
        "instruction": str(data.get("instruction") or ""),
    }


def _figures(report: Mapping[str, Any]) -> dict[str, Markup]:
    """Return the SVG of each figure, empty where there are no numbers for it."""
    training, data = report.get("training") or {}, report.get("data") or {}
    history, verdict = training.get("history") or {}, report.get("verdict") or {}
    train, validation = _points(history.get("train")), _points(history.get("validation"))
    decides = str(report.get("decides") or verdict.get("metric") or "")
    dots = [
        (name, float(found["value"]), float(found["low"]), float(found["high"]))
        for name, one in (report.get("contenders") or {}).items()
        for found in [_metric(one, decides)]
        if all(finite(found.get(key)) for key in ("value", "low", "high"))
    ]
    lengths, gains = _numbers(data.get("lengths")), _numbers(report.get("differences"))
    longest = data.get("longest") if finite(data.get("longest")) else None
    baseline = str(verdict.get("baseline") or "the baseline")
    drawn: dict[str, Callable[[], str]] = {}
    if train or validation:
        drawn["loss"] = lambda: plots.loss_curves(train, validation, best_step=training.get("best_step"))
    if dots:
        better = f"{decides} ({'lower' if decides in LOWER else 'higher'} is better)"
        drawn["contenders"] = lambda: plots.contenders(better, dots)
    if lengths:
        drawn["lengths"] = lambda: plots.lengths(lengths, longest=longest)
    if gains:
        drawn["differences"] = lambda: plots.differences(decides, baseline, gains)
    drawn |= sections.figures(report)
    every = ("loss", "contenders", "lengths", "differences", "cost", "calibration", "forgetting")
    return {name: Markup(drawn[name]() if name in drawn else "") for name in every}


def _pairs(mapping: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return [(key, _plain(value)) for key, value in (mapping or {}).items()]


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metric(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return (figures.get("metrics") or {}).get(name) or {}


def _points(pairs: Sequence[Sequence[Any]] | None) -> list[plots.Point]:
    return [(float(x), float(y)) for x, y in pairs or () if finite(x) and finite(y)]


def _numbers(values: Sequence[Any] | None) -> list[float]:
    return [float(value) for value in values or () if finite(value)]


def _percent(share: Any) -> str:
    return f"{100 * share:.0f} %" if finite(share) else "-"


def _moment(created: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        return "-"
