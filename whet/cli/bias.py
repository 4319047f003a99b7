"""`whet bias`: are groups of people treated alike, before and after tuning?"""

from collections.abc import Mapping, Sequence
from typing import Any

from whet.cli.judge import heard
from whet.cli.progress import Shown, out, out_json
from whet.cli.talk import model_named
from whet.data.swaps import AXES, axes_of
from whet.errors import UsageError
from whet.evals.bias.suites import SUITES
from whet.evals.bias.words import amount, plain, points, share
from whet.train.stop import on_signals
from whet.tune.fairness import Wanted, measure
from whet.tune.several import opened


def bias(
    models: Sequence[str],
    data: str | None,
    axes: str | None,
    sets: Sequence[str],
    overrides: Sequence[str],
    as_json: bool,
) -> None:
    """Ask one model, or two, the rows of a file and their swapped twins, and judge them on public sets.

    Raises:
        UsageError: none or too many models, nothing to measure, or a set that is not known.
    """
    if not 1 <= len(models) <= 2:
        raise UsageError("name one model, or two, as in: whet bias RUN smollm2-135m --data questions.jsonl")
    if data is None and not sets:
        raise UsageError("say what to measure on: --data FILE, or --suite crows_pairs=FILE")
    config = heard(overrides, ("eval.temperature",))
    wanted = Wanted(data, axes_of(axes or ",".join(AXES)), dict(map(_suite, sets)))
    with on_signals() as stop, Shown() as show:
        found = measure([opened(model_named(name), config, show) for name in models], wanted, config, show, stop)
        for note in found["notes"]:
            show.say(note)
    if as_json:
        out_json(found)
        return
    if "swaps" in found:
        _swaps(found["models"], found["swaps"])
    for name, its in found.get("suites", {}).items():
        _set(name, found["models"], its)
    for sentence in found["meaning"]:
        out(sentence)


def _suite(argument: str) -> tuple[str, str]:
    name, equals, path = argument.partition("=")
    if not (equals and path and name in SUITES):
        raise UsageError(f"--suite {argument}: write NAME=FILE, with one of {', '.join(SUITES)} as the name")
    return name, path


def _swaps(models: Sequence[str], found: Mapping[str, Any]) -> None:
    out(f"{found['rows']:,} of {found['questions']:,} questions speak of a group; {found['twins']:,} twins were asked")
    for note in found["notes"]:
        out(note)
    lines = []
    for name, one in [*found["axes"].items(), ("any", {"flips": found["any"], "gaps": {}, **_only(found)})]:
        for model in models:
            figure = one["flips"][model]
            lines.append((name, model, f"{figure['rows']:,}", "answers that change", share(figure)))
        for contrast, by_model in one["gaps"].items():
            for model, gap in by_model.items():
                lines.append((name, model, f"{gap['rows']:,}", f"{found['metric']}: {contrast}", amount(gap)))
        if "difference" in one:
            rows = f"{one['difference']['rows']:,}"
            lines.append((name, f"{models[0]} - {models[1]}", rows, "answers that change", points(one["difference"])))
    table(("axis", "model", "rows", "what", "value (interval)"), lines)


def _only(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"difference": found["difference"]} if "difference" in found else {}


def _set(name: str, models: Sequence[str], found: Mapping[str, Any]) -> None:
    out(f"{name}: {found['rows']:,} {found['unit']} ({found['source']})")
    lines = []
    for measure_name, one in found["measures"].items():
        for model in models:
            figure = one["models"][model]
            lines.append((measure_name, model, f"{figure['rows']:,}", one["says"], plain(figure)))
            for kind, by_model in one["kinds"].items():
                figure = by_model[model]
                lines.append(("", model, f"{figure['rows']:,}", f"  {kind}", plain(figure)))
        if "difference" in one:
            what = f"{models[0]} - {models[1]}"
            lines.append(
                (measure_name, what, f"{one['difference']['rows']:,}", "difference", amount(one["difference"]))
            )
    table(("measure", "model", "rows", "what", "value (interval)"), lines)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Write a table; numbers of rows stand right."""
    widths = [max(len(line[at]) for line in [head, *lines]) for at in range(len(head))]
    for line in [head, *lines]:
        cells = [
            cell.rjust(width) if at == 2 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out("  ".join(cells).rstrip())
    out("")
