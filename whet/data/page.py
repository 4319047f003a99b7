"""The report on data as one HTML page that loads nothing and quotes no personal data and no secrets.

The template beside this file lays out; what it shows is prepared here. Names of files, labels and rows are text
that strangers wrote: see `whet.pages.words`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from whet.data import charts
from whet.data.check import DataReport
from whet.data.checks._sensitive import masked
from whet.data.excerpts import SHOWN, UNQUOTED, Excerpt
from whet.data.findings import SEVERITIES, Finding
from whet.errors import Problem
from whet.pages.words import clean, number, template

FILES = 50  # shown at most
PROBLEMS = 200
BARS, RAREST = 30, 10  # of labels, and how many of them are the rarest where there are more
LANGUAGES, TURNS = 12, 15
FIGURES = ("kinds", "lengths", "labels", "languages", "turns")
TONES = {"error": "bad", "warning": "open", "note": "muted"}
_QUOTING = ("boilerplate", "trigger")  # findings that say words of the rows


def page(report: DataReport, excerpts: Mapping[str, Excerpt], base: str | None = None) -> str:
    """Return the report as a page; the same report gives the same page. `excerpts`: see `whet.data.excerpts`."""
    counts = Counter[str](finding.severity for finding in report.findings)
    worst = next((severity for severity in reversed(SEVERITIES) if counts[severity]), None)
    findings = [_finding(place, one, excerpts) for place, one in enumerate(report.findings, 1)]
    return _rendered(
        tone=TONES[worst] if worst else "good",
        word=_many(counts[worst], worst) if worst else "Nothing found",
        sentence=_sentence(report, counts, worst),
        facts=_facts(report, base),
        files=_files(report),
        notes=[masked(note) for note in report.notes],
        figures=_figures(report), unclear=_unclear(report),
        findings=findings, longest=report.lengths.get("longest"), unit=report.lengths.get("unit"),
    )  # fmt: skip


def refused(problems: Sequence[Problem]) -> str:
    """Return a page that says why data could not be read."""
    rows = [{"where": _where(one), "what": masked(one.what)} for one in problems[:PROBLEMS]]
    more = len(problems) - len(rows)
    many = "1 problem stands" if len(problems) == 1 else f"{len(problems):,} problems stand"
    sentence = f"{many} in the way of checking these data. Do this first: {rows[0]['what']} ({rows[0]['where']})."
    return _rendered(
        tone="bad", word="Cannot be read", sentence=sentence, problems=rows, more=more,
        facts=[("Problems", number(len(problems), 0))],
    )  # fmt: skip


def _rendered(**shown: Any) -> str:
    drawn = shown.pop("figures", {})
    figures = {name: Markup(drawn.get(name, "")) for name in FIGURES}
    absent = {"files": {"rows": []}, "notes": [], "findings": [], "problems": [], "more": 0, "unclear": ""}
    return template(Path(__file__).with_name("page.html")).render(**absent | clean(shown), figures=figures)


def _sentence(report: DataReport, counts: Mapping[str, int], worst: str | None) -> str:
    where = f"{_many(report.rows, 'row')} of {_many(len(report.paths), 'file')}"
    if worst is None:
        return f"No check has anything to say against {where}."
    others = [_many(counts[one], one) for one in reversed(SEVERITIES) if counts[one] and one != worst]
    first = report.findings[0]
    told = f"with {' and '.join(others)} in {where}." if others else f"in {where}."
    return f"{told} Do this first: {first.remedy} ({_named(first.kind)}, {_many(len(first.lines), 'row')})."


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(kind: str) -> str:
    return kind.replace("_", " ")


def _facts(report: DataReport, base: str | None) -> list[tuple[str, str]]:
    facts = [("Rows", number(report.rows, 0)), ("Read as", report.shape), ("Files", number(len(report.paths), 0))]
    facts += [(f"Rows to {side}", number(count, 0)) for side, count in report.splits.items() if len(report.splits) > 1]
    if report.labels:
        facts.append(("Labels", number(len(report.labels), 0)))
    span = "{least:,.0f} to {most:,.0f}, median {median:,.0f}"
    facts.append(("Characters a row", span.format(**report.characters)))
    if report.tokens:
        facts.append(("Tokens a row", span.format(**report.tokens)))
        facts.append(("Tokens in all", "{all:,.0f}, of which {trained:,.0f} train".format(**report.tokens)))
    return [*facts, ("Measured for", base)] if base else facts


def _files(report: DataReport) -> dict[str, Any]:
    sides = list(report.splits)
    rows = [
        {
            "path": file.path,
            "shape": file.shape,
            "counts": [number(file.splits.get(side, 0), 0) for side in sides],
            "size": _size(file.bytes),
            "sha256": file.sha256,
        }
        for file in report.files[:FILES]
    ]
    totals = [number(report.splits[side], 0) for side in sides] if len(report.files) > 1 else []
    return {"sides": sides, "rows": rows, "more": max(0, len(report.files) - FILES), "totals": totals}


def _size(size: int) -> str:
    for unit, each in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= each:
            return f"{size / each:,.1f} {unit}"
    return f"{size} bytes"


def _finding(place: int, finding: Finding, excerpts: Mapping[str, Excerpt]) -> dict[str, Any]:
    quoted = finding.kind not in UNQUOTED
    rows = []
    for line in finding.lines[:SHOWN]:
        found = excerpts.get(line, Excerpt())
        rows.append({"line": line, "texts": found.texts, "withheld": found.withheld})
    why = masked(finding.why)
    if finding.kind in _QUOTING and rows and all(row["withheld"] for row in rows):
        begin, _, rest = why.partition('"')  # the words that all these rows share may be what must not be shown
        why = f'{begin}"[not shown]"{rest.rpartition(chr(34))[2]}' if rest else why
    return {
        "place": place,
        "kind": _named(finding.kind),
        "severity": finding.severity,
        "tone": TONES[finding.severity],
        "count": number(len(finding.lines), 0),
        "why": why,
        "remedy": finding.remedy,
        "rows": rows,
        "quoted": quoted,
        "more": number(len(finding.lines) - len(rows), 0) if len(finding.lines) > len(rows) else "",
    }


def _figures(report: DataReport) -> dict[str, str]:
    drawn: dict[str, str] = {}
    if report.findings:
        found = Counter[tuple[str, str]]()
        for one in report.findings:
            found[(one.kind, one.severity)] += len(one.lines)
        rows = [
            (f"{_named(kind)} ({severity})", count, charts.COLORS[severity])
            for (kind, severity), count in sorted(found.items(), key=lambda one: -SEVERITIES.index(one[0][1]))
        ]
        drawn["kinds"] = charts.bars("kinds", "Rows by kind of finding", "rows named", rows)
    if report.lengths:
        drawn["lengths"] = charts.lengths(report.lengths)
    if report.labels:
        drawn["labels"] = charts.bars("labels", "Rows by label", "rows", _labels(report.labels))
    if len(report.languages) > 1:
        rows = _most(report.languages, LANGUAGES, "other languages")
        drawn["languages"] = charts.bars("languages", "Rows by language", "rows", rows)
    if any(turns != "1" for turns in report.turns):
        drawn["turns"] = charts.bars("turns", "Rows by their number of answers", "rows", _turns(report.turns))
    return drawn


def _labels(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    rows = [(masked(clean(label)), count, "") for label, count in ordered]
    if len(rows) <= BARS + RAREST:
        return rows
    left = rows[BARS:-RAREST]
    between = (f"({len(left):,} labels between, on average)", round(sum(row[1] for row in left) / len(left)), "")
    return [*rows[:BARS], (*between[:2], charts.COLORS["note"]), *rows[-RAREST:]]


def _most(counts: Mapping[str, int], shown: int, others: str) -> list[tuple[str, int, str]]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    rest = sum(count for _, count in ordered[shown:])
    rows = [(name, count, "") for name, count in ordered[:shown]]
    return [*rows, (f"{len(ordered) - shown:,} {others}", rest, "")] if rest else rows


def _turns(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Return rows by their number of answers, in that order; many answers are taken together."""
    rows = Counter[int]()
    for turns, count in counts.items():
        rows[min(int(turns), TURNS)] += count
    named = {turns: "1 answer" if turns == 1 else f"{turns} answers" for turns in rows}
    if any(int(turns) > TURNS for turns in counts):
        named[TURNS] = f"{TURNS} or more answers"
    return [(named[turns], count, "") for turns, count in sorted(rows.items())]


def _unclear(report: DataReport) -> str:
    told = sum(report.languages.values())
    if not told:
        return ""
    only = f" All of them are in {next(iter(report.languages))}." if len(report.languages) == 1 else ""
    return (
        f"The language of {told:,} of {report.rows:,} rows is clear; the others are too short, or names, or code.{only}"
    )


def _where(problem: Problem) -> str:
    return f"{problem.path}:{problem.line}" if problem.line else problem.path
