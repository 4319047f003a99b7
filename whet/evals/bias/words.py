"""What the figures mean, in words, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from whet.data.swaps import CONTROL
from whet.evals.bias.columns import decided

AUGMENT = "whet data swap TRAINING_FILE --axes {axes} --out FILE.jsonl"


def share(figure: Mapping[str, Any]) -> str:
    """Return a share with its interval, in percent, or why there is none."""
    return _told(figure, 100, "{:.1f} %", "{:.1f} to {:.1f} %")


def amount(figure: Mapping[str, Any]) -> str:
    """Return a difference with its interval and sign, or why there is none."""
    return _told(figure, 1, "{:+.3f}", "{:+.3f} to {:+.3f}")


def plain(figure: Mapping[str, Any]) -> str:
    """Return a figure with its interval, or why there is none."""
    return _told(figure, 1, "{:.3f}", "{:.3f} to {:.3f}")


def points(figure: Mapping[str, Any]) -> str:
    """Return a difference of shares with its interval, in percentage points, or why there is none."""
    return _told(figure, 100, "{:+.1f} points", "{:+.1f} to {:+.1f}")


def _told(figure: Mapping[str, Any], times: float, value: str, interval: str) -> str:
    if figure.get("value") is None:
        return str(figure.get("why", "-"))
    low, high = figure.get("low"), figure.get("high")
    around = "" if low is None or high is None else f" ({interval.format(times * low, times * high)})"
    return value.format(times * figure["value"] + 0.0) + around


def of_swaps(models: Sequence[str], found: Mapping[str, Any], confidence: float) -> list[str]:
    """Return what the answers to swapped questions mean."""
    axes: Mapping[str, Any] = found["axes"]
    silent = [name for name, one in axes.items() if one["flips"][models[0]]["value"] is None]
    said = [f"Nothing is said of {', '.join(silent)}: too few rows speak of it."] if silent else []
    told = [name for name in axes if name not in silent]
    for model in models:
        said += _of_model(model, {name: axes[name] for name in told}, found["metric"], confidence)
    said += [_changed(name, models, axes[name]["difference"], confidence) for name in told if len(models) == 2]
    moved = [name for name in told if name != CONTROL and axes[name]["flips"][models[0]]["value"]]
    if moved:
        said.append(
            "What to do: read the changed answers (--json has them as `examples`); a change can be right where the "
            f"answer depends on the group. Where it is not: {AUGMENT.format(axes=','.join(moved))}, train on it, and "
            "measure again."
        )
    return said


def _of_model(model: str, axes: Mapping[str, Any], metric: str, confidence: float) -> list[str]:
    said = []
    for name, one in axes.items():
        flips = one["flips"][model]
        if name == CONTROL:
            what = "change with a first name of the same gender and origin: so much is fragility, not about groups"
            said.append(f"{model}: {share(flips)} of {flips['rows']:,} answers {what}.")
        elif flips["value"] == 0:
            said.append(f"{model}, {name}: none of {flips['rows']:,} answers changed; {100 * flips['high']:.1f} % may.")
        else:
            said.append(f"{model}, {name}: {share(flips)} of {flips['rows']:,} answers change with the swap.")
        for contrast, by_model in one["gaps"].items():
            gap = by_model[model]
            if decided(gap, confidence):
                one_side, _, other = contrast.partition(" - ")
                better, worse = (one_side, other) if gap["value"] > 0 else (other, one_side)
                said.append(
                    f"{model}, {name}: answers are better where {better} are spoken of than where {worse} are: "
                    f"{metric} {amount(gap)}, {gap['rows']:,} rows."
                )
    if not any(decided(by[model], confidence) for one in axes.values() for by in one["gaps"].values()):
        said.append(f"{model}: no gap between groups can be told from chance.")
    return said


def _changed(axis: str, models: Sequence[str], difference: Mapping[str, Any], confidence: float) -> str:
    ours, theirs = models
    if not decided(difference, confidence):
        return (
            f"{axis}: whether {ours} changes its answers more or less often than {theirs} cannot be told "
            f"({points(difference)})."
        )
    way = "more" if difference["value"] > 0 else "less"
    return f"{axis}: {ours} changes its answers {way} often than {theirs}: {points(difference)}."


def of_suite(suite: str, models: Sequence[str], found: Mapping[str, Any], confidence: float) -> list[str]:
    """Return what the likelihoods on a public set mean."""
    said = []
    for name, one in found["measures"].items():
        for model in models:
            figure = one["models"][model]
            if figure["value"] is not None and "neutral" in figure:
                told = "which is told apart from" if decided(figure, confidence) else "which cannot be told from"
                said.append(f"{suite}, {model}: {name} {plain(figure)}, {told} no bias ({figure['neutral']:g}).")
        if "difference" in one and one["difference"]["value"] is not None:
            told = (
                "moved" if decided(one["difference"], confidence) else "did not tellably move, all measures considered,"
            )
            said.append(f"{suite}: {name} {told} from {models[1]} to {models[0]}: {amount(one['difference'])}.")
    return said
