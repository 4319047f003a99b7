"""The card of a data set: README.md with the front matter that the Hugging Face hub reads."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from whet.data.check import DataReport
from whet.data.trail import digest, follow, sentences

TASKS = {"text_label": "text-classification", "question_answer": "question-answering"}
SIZES = ("n<1K", 1000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000), ("1M<n<10M", 10**7)
_MARKS = re.compile(r"([\\`*_\[\]|~$#!{}<>])")


def card(report: DataReport, files: Sequence[Path], name: str, license: str | None = None) -> str:
    """Return the card of the files that a report is about; it quotes no row.

    What was found stands in it by kind, so that whoever takes the data knows what was known of it.
    """
    made, remarks = [], []
    for file in files:
        trail, why = follow(file)
        made += list(sentences(trail)) if trail else []
        remarks += [why] if why else []
    parts = [
        f"---\n{_front_matter(report, license)}---",
        f"# {_inline(name)}",
        f"{report.rows:,} rows, read as {_inline(report.shape)}. whet took every figure from the files themselves.",
        "## Files\n\n" + _table(("file", "bytes", "SHA-256"), [(f.name, f.stat().st_size, digest(f)) for f in files]),
        "## What it was made from\n\n"
        + "\n\n".join([_fenced(made) if made else "Not recorded.", *map(_inline, remarks)]),
        "## Contents\n\n" + _table(("", ""), _facts(report)),
        _labels(report),
        "## What was found in it\n\n" + _findings(report),
        "## Notes\n\n" + "\n".join(f"- {_inline(note)}" for note in report.notes) if report.notes else "",
        "## Still to be said by people\n\nWho wrote it, who may use it for what, who is in it and agreed to be, "
        "and what it should not be used for.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(report: DataReport, license: str | None) -> str:
    size = next((name for name, below in SIZES if report.rows < below), "n>10M")
    fields: dict[str, Any] = {"license": license} if license else {}
    fields |= {"task_categories": [TASKS.get(report.shape, "text-generation")], "size_categories": [size]}
    return yaml.safe_dump({**fields, "tags": ["whet"]}, sort_keys=False, allow_unicode=True)


def _facts(report: DataReport) -> list[tuple[Any, ...]]:
    spread = "{least:,.0f} to {most:,.0f}, median {median:,.0f}"
    facts: list[tuple[Any, ...]] = [(f"rows to {side}", f"{count:,}") for side, count in report.splits.items()]
    facts.append(("characters a row", spread.format(**report.characters)))
    if report.tokens:
        facts.append(("tokens a row", spread.format(**report.tokens)))
    answers = ", ".join(f"{count:,} rows with {turns}" for turns, count in sorted(report.turns.items()))
    return [
        *facts,
        *([("answers a row", answers)] if answers else []),
        *([("labels", len(report.labels))] * bool(report.labels)),
    ]


def _labels(report: DataReport) -> str:
    most = sorted(report.labels.items(), key=lambda one: (-one[1], one[0]))
    if not most:
        return ""
    rest = f"\n\nand {len(most) - 100:,} more labels" if len(most) > 100 else ""
    return "## Labels\n\n" + _table(("label", "rows"), most[:100]) + rest


def _findings(report: DataReport) -> str:
    if not report.findings:
        return "Nothing."
    rows = [(one.severity, one.kind, len(one.lines), one.why, one.remedy) for one in report.findings]
    return _table(("severity", "kind", "rows", "why it matters", "what to do"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _inline(value)


def _inline(text: Any) -> str:
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def _fenced(lines: Sequence[str]) -> str:
    text = "\n".join(json.dumps(line, ensure_ascii=False)[1:-1] for line in lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
