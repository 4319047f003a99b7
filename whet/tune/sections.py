"""Parts of the report's page: what was forgotten, where the model is good and where not, how sure it is of itself."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from whet.evals.bias.words import amount, points, share
from whet.pages.words import finite, number
from whet.tune import plots

SHOWN = 6  # answers that changed with a swap


def forgetting(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return how general questions were answered before and after, as text; empty where none were asked."""
    if not (found := report.get("forgetting")):
        return {}
    sides = {**found["suites"], **({"all": found["all"]} if "all" in found else {})}
    rows = [
        {
            "name": name, "metric": one["metric"], "items": number(one["items"], 0),
            "base": number(one["base"]["value"]), "tuned": number(one["tuned"]["value"]),
            "difference": signed(one["difference"]["value"]), "interval": interval(one["difference"], sign=True),
            "moved": number((one.get("divergence") or {}).get("value")),
        }
        for name, one in sides.items()
    ]  # fmt: skip
    curve = [{name: number(value) for name, value in point.items()} for point in found.get("curve", ())]
    return {"sentence": found.get("sentence", ""), "rows": rows, "curve": curve}


def where(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the model is good and where not, as text; empty where that was not measured."""
    if not (found := report.get("where")):
        return {}
    slices = [
        {
            "by": one["by"],
            "rows": [
                {"name": row["name"], "count": number(row["rows"], 0), "value": number(row.get("value")),
                 "interval": interval(row), "small": row["too_small"]}
                for row in one["slices"]
            ],
            "said": _gaps(one["gaps"], one["compared"]),
        }
        for one in found.get("slices") or ()
    ]  # fmt: skip
    telling = [
        {
            "word": one["word"], "rows": number(one["rows"], 0), "with": number(one["mean_with"]),
            "without": number(one["mean_without"]), "p": chance(one["adjusted"]), "sources": ", ".join(one["sources"]),
        }
        for one in found.get("words") or ()
    ]  # fmt: skip
    confusions = [
        {**one, "count": number(one["count"], 0), "of": number(one["of"], 0), "sources": ", ".join(one["sources"])}
        for one in found.get("confusions") or ()
    ]
    return {"slices": slices, "words": telling, "confusions": confusions, "metric": str(report.get("decides") or "")}


def _gaps(gaps: Sequence[Mapping[str, Any]], compared: int) -> str:
    if not compared:
        return "Too few rows in each to compare them."
    if not gaps:
        return f"No gap among {compared:,} compared is more than chance."
    said = "; ".join(
        f"{one['better']} above {one['worse']} by {number(one['value'])} (p {chance(one['adjusted'])})"
        for one in gaps[:5]
    )
    return f"More than chance, of {compared:,} compared: {said}."


def bias(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return how groups of people are treated before and after, as text; empty where that was not asked."""
    if not (found := report.get("bias")):
        return {}
    rows = [
        {
            "axis": axis, "rows": number(one["rows"], 0), "base": share(one["flips"]["base"]),
            "tuned": share(one["flips"]["tuned"]), "difference": points(one["difference"]),
            "gaps": [f"{of}: {amount(by['tuned'])} (before {amount(by['base'])})" for of, by in one["gaps"].items()],
        }
        for axis, one in found["axes"].items()
    ]  # fmt: skip
    changed = [one for its in found["axes"].values() for one in its["examples"]["tuned"]][:SHOWN]
    said = [*(found.get("meaning") or ()), *(found.get("notes") or ())]
    counts = f"{found['rows']:,} of {found['questions']:,} test questions speak of a group"
    return {"rows": rows, "said": said, "counts": counts, "changed": changed, "metric": found["metric"]}


def certainty(report: Mapping[str, Any]) -> str:
    """Return in words how far the model's certainty can be relied on; nothing where it is not known."""
    if not (found := report.get("certainty")):
        return ""
    apart = number(found["expected_error"]["debiased"])
    said = f"{found['right']:.0%} of its answers are right (a score of 0.5 or more), it is {found['sure']:.0%} sure "
    said += f"of them; certainty and truth lie {apart} apart beyond what chance adds. "
    if ranks := found.get("ranks"):
        said += f"A right answer is surer than a wrong one in {ranks['value']:.0%} of pairs ({interval(ranks)} of 1)."
        half = found["answered"][0]
        accuracy = half["accuracy"]
        said += f" Its surest {half['coverage']:.0%} are right in {accuracy['value']:.0%} ({interval(accuracy)} of 1)."
    return said


def figures(report: Mapping[str, Any]) -> dict[str, Callable[[], str]]:
    """Return what draws each figure that there are numbers for."""
    decides, drawn = str(report.get("decides") or ""), dict[str, Callable[[], str]]()
    spent = [
        (name, float(one["seconds_per_answer"]["median"]), float(one["metrics"][decides]["value"]))
        for name, one in (report.get("contenders") or {}).items()
        if finite((one.get("seconds_per_answer") or {}).get("median"))
        and finite(((one.get("metrics") or {}).get(decides) or {}).get("value"))
    ]
    if len(spent) > 1:
        drawn["cost"] = partial(plots.cost, decides, spent)
    bins = [
        (one["confidence"], one["accuracy"]["value"], one["accuracy"]["low"], one["accuracy"]["high"])
        for one in (report.get("certainty") or {}).get("bins") or ()
    ]
    if bins:
        drawn["calibration"] = partial(plots.calibration, bins)
    suites = [
        (name, one["base"]["value"], one["tuned"]["value"])
        for name, one in ((report.get("forgetting") or {}).get("suites") or {}).items()
        if one["metric"] != "log_loss"
    ]
    if len(suites) > 1:
        drawn["forgetting"] = partial(plots.forgetting, suites)
    return drawn


def interval(figures: Mapping[str, Any], *, sign: bool = False) -> str:
    """Return "low to high", or nothing if it is not known."""
    ends = [figures.get(name) for name in ("low", "high")]
    return " to ".join(signed(end) if sign else number(end) for end in ends) if all(map(finite, ends)) else ""


def signed(value: Any) -> str:
    """Return a number with its sign."""
    text = number(value)
    return text if text.startswith("-") else f"+{text}"


def chance(p: Any) -> str:
    """Return a p-value as people write it."""
    return "< 0.001" if finite(p) and p < 0.001 else number(p)
