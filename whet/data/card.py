"""The card of a data set: README.md with the front matter that the Hugging Face hub reads."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from whet.config.places import HUB, remote
from whet.data.check import DataReport
from whet.data.remote.hub import Named
from whet.data.sources import File
from whet.data.trail import digest, follow, sentences
from whet.pages.markdown import fenced, inline, table

TASKS = {"text_label": "text-classification", "question_answer": "question-answering"}
SIZES = ("n<1K", 1000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000), ("1M<n<10M", 10**7)


def card(report: DataReport, files: Sequence[File], name: str, license: str | None = None) -> str:
    """Return the card of the files that a report is about; it quotes no row.

    What was found stands in it by kind, so that whoever takes the data knows what was known of it.
    """
    made, remarks = [], []
    for file in files:
        trail, why = follow(file.path)
        made += list(sentences(trail)) if trail else []
        remarks += [why] if why else []
    parts = [
        f"---\n{_front_matter(report, license)}---",
        f"# {inline(name)}",
        f"{report.rows:,} rows, read as {inline(report.shape)}. whet took every figure from the files themselves.",
        "## Files\n\n"
        + table(
            ("file", "bytes", "SHA-256"), _cells([(f.short, f.path.stat().st_size, digest(f.path)) for f in files])
        ),
        "## What it was made from\n\n"
        + "\n\n".join([fenced("\n".join(map(_visible, made))) if made else "Not recorded.", *map(inline, remarks)]),
        "## Contents\n\n" + table(("", ""), _cells(_facts(report))),
        _labels(report),
        "## What was found in it\n\n" + _findings(report),
        "## Notes\n\n" + "\n".join(f"- {inline(note)}" for note in report.notes) if report.notes else "",
        "## Still to be said by people\n\nWho wrote it, who may use it for what, who is in it and agreed to be, "
        "and what it should not be used for.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def title(named: str) -> str:
    """Return what a data set is called, of which a person names this first."""
    if named.startswith(HUB):
        return Named.of(named).repo
    return PurePosixPath(named.rpartition("://")[2]).stem if remote(named) else Path(named).stem


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
    return "## Labels\n\n" + table(("label", "rows"), _cells(most[:100])) + rest


def _findings(report: DataReport) -> str:
    if not report.findings:
        return "Nothing."
    rows = [(one.severity, one.kind, len(one.lines), one.why, one.remedy) for one in report.findings]
    return table(("severity", "kind", "rows", "why it matters", "what to do"), _cells(rows))


def _cells(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows]


def _visible(line: str) -> str:
    return json.dumps(line, ensure_ascii=False)[1:-1]  # on one line, whatever a file is called
