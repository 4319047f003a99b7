"""The report of a decision as one HTML page: the advice first, then what it rests on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from whet.pages.words import clean, number, template
from whet.tune import plots
from whet.tune.page import ABOUT, duration
from whet.tune.sections import interval

WORDS = {
    "prompt": "Prompt", "few_shot": "Show examples", "rag": "Show passages", "tune": "Tune", "more_data": "More data",
    "stop": "Stop",
}  # fmt: skip
CONSTANT = "the best of the frequent training answers, given to every question"


def advice_page(report: Mapping[str, Any]) -> str:
    """Return the report of a decision as one HTML page; the same report gives the same page."""
    report = clean(report)
    metric, shown = report["metric"], report["contenders"]
    figures = {name: metrics[metric] for name, metrics in shown.items()}
    ends = {name: (one["value"], one["low"], one["high"]) for name, one in figures.items() if {"low", "high"} <= {*one}}
    counts = [one["rows"] for one in report["curve"] if f"tuned on {one['rows']}" in ends]
    points = [(count, *ends[f"tuned on {count}"]) for count in counts]
    best = report["verdict"]["baseline"]
    drawn = [plots.contenders(metric, [(name, *three) for name, three in ends.items()])] if ends else []
    if len(points) > 1:
        drawn.append(plots.learning(metric, points, (best, figures[best]["value"])))
    last = f"tuned on {report['curve'][-1]['rows']}"
    spent = [
        (name, one["seconds_per_answer"], figures[last if name == "tuned" else name]["value"])
        for name, one in report["costs"].items()
    ]
    drawn.append(plots.cost(metric, spent))
    return template(Path(__file__).with_name("advice_page.html")).render(
        word=WORDS[report["recommendation"]], sure=report["sure"], sentence=report["sentence"], run=report["run"],
        metric=metric, rows=[_row(name, one, report["costs"].get(name)) for name, one in figures.items()],
        figures=[Markup(one) for one in drawn],
        because=report["because"], unless=report["unless"], sides=report["rows"], took=duration(report["seconds"]),
    )  # fmt: skip


def _row(name: str, figures: Mapping[str, Any], cost: Mapping[str, Any] | None) -> dict[str, Any]:
    about = CONSTANT if name == "constant" else ABOUT.get(name, "")
    return {
        "name": name,
        "about": about,
        "value": number(figures["value"]),
        "interval": interval(figures),
        "seconds": duration(cost["seconds_per_answer"]) if cost else "-",
        "tokens": f"{cost['prompt_tokens']:.0f} + {cost['completion_tokens']:.0f}" if cost else "-",
        "remarks": cost["remarks"] if cost else [],
    }
