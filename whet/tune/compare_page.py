"""A comparison of several models as one HTML page: the verdict first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from whet.pages.words import clean, number, template
from whet.tune import plots
from whet.tune.page import LOWER, STATUS, comparison_rows, contender_rows, duration, example_rows, headline


def compare_page(report: Mapping[str, Any], confidence: float) -> str:
    """Return what `whet compare` found as one HTML page that loads nothing."""
    report = clean(report)
    status, sentence = headline(report)
    ours, decides = next(iter(report["contenders"])), str(report["decides"])
    figures = {name: one["metrics"][decides] for name, one in report["contenders"].items()}
    dots = [(name, one["value"], one["low"], one["high"]) for name, one in figures.items() if {"low", "high"} <= {*one}]
    better = f"{decides} ({'lower' if decides in LOWER else 'higher'} is better)"
    spent = [
        (name, one["seconds_per_answer"]["median"], figures[name]["value"])
        for name, one in report["contenders"].items()
        if one["seconds_per_answer"]["median"] > 0
    ]
    drawn = [plots.contenders(better, dots)] if dots else []
    drawn += [plots.cost(decides, spent)] if len(spent) > 1 else []
    rows = comparison_rows(report)
    for row in rows:
        row["reading"] = row["reading"].replace("tuned", "the first")
    return template(Path(__file__).with_name("compare_page.html")).render(
        status=status, word=STATUS.get(status, "No verdict"), sentence=sentence, ours=ours,
        about=[("Data", str(report["data"])), ("Questions", number(report["rows"], 0)), ("Decided by", decides),
               ("Took", duration(report.get("seconds")))],
        level=f"{100 * confidence:g} % interval", contenders=contender_rows(report), comparisons=rows,
        examples=example_rows(report, ("the first won", "the first lost"), ours),
        figures=[Markup(one) for one in drawn], notes=[str(note) for note in report.get("notes") or ()],
        judged=(report.get("judged") or {}).get("sentences") or (),
    )  # fmt: skip
