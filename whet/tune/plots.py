"""The figures of a run's report (see `whet.pages.figures`)."""

import math
from collections.abc import Sequence

from whet.pages.figures import ACCENT, BAD, GOOD, SECOND, SOFT, Axes, drawn

__all__ = [
    "Point", "calibration", "contenders", "cost", "differences", "forgetting", "learning", "lengths", "loss_curves",
]  # fmt: skip

Point = tuple[float, float]
"""(x, y), both finite."""

SHOWN_POINTS = 800


def loss_curves(train: Sequence[Point], validation: Sequence[Point], *, best_step: float | None = None) -> str:
    """Return training loss, its moving average and validation loss over steps, with the best step marked."""
    best = next((point for point in validation if point[0] == best_step), None)

    def paint(axes: Axes) -> None:
        if train:
            axes.plot(*_columns(_thinned(train)), color=SOFT, linewidth=0.8, alpha=0.6, label="training")
        if len(train) >= 10:
            smooth = _thinned(_smoothed(train))
            axes.plot(*_columns(smooth), color=ACCENT, linewidth=1.8, label="training, smoothed")
        if validation:
            marker = "o" if len(validation) <= 60 else ""
            axes.plot(
                *_columns(_thinned(validation)), color=SECOND, linewidth=1.6, marker=marker, markersize=3.5,
                label="validation",
            )  # fmt: skip
        if best is not None:
            axes.axvline(best[0], color=SECOND, linewidth=1, linestyle=(0, (2, 3)))
            axes.plot(
                [best[0]], [best[1]], color=SECOND, marker="D", markersize=8, linestyle="none",
                label=f"best, step {best[0]:,g}",
            )  # fmt: skip
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("loss (nats a token)")
        axes.legend(fontsize=9)

    said = [_from_to("Training loss", train), _from_to("Validation loss", validation)]
    if best is not None:
        said.append(f"The best validation loss is {best[1]:.3f} at step {best[0]:,g}.")
    return drawn("loss", "Loss over steps", " ".join(filter(None, said)), 280, paint)


def contenders(metric: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return a dot with its interval per contender, the first at the top. A row: name, value, low, high."""

    def paint(axes: Axes) -> None:
        for place, (name, value, low, high) in enumerate(rows):
            color = ACCENT if name == "tuned" else SOFT
            axes.plot([low, high], [place, place], color=color, linewidth=2.2, solid_capstyle="butt")
            axes.plot([low, high], [place, place], color=color, marker="|", markersize=9, linestyle="none")
            axes.plot([value], [place], color=color, marker="o", markersize=8)
            axes.annotate(
                f"{value:.3f}", (value, place), textcoords="offset points", xytext=(0, 8), ha="center",
                fontsize=9,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.6)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.08)
        axes.set_xlabel(metric)

    said = "; ".join(f"{name} {value:.3f} ({low:.3f} to {high:.3f})" for name, value, low, high in rows)
    height = 80 + 44 * len(rows)
    return drawn("contenders", f"{metric} of each contender with its interval", f"{said}.", height, paint)


def lengths(tokens: Sequence[float], *, longest: float | None = None) -> str:
    """Return a histogram of row lengths in tokens, with the longest allowed marked where it comes near."""
    most = max(tokens)
    near = longest is not None and longest <= 1.5 * most

    def paint(axes: Axes) -> None:
        bins = max(1, min(40, len(set(tokens)), math.isqrt(len(tokens)) * 2))
        axes.hist(tokens, bins=bins, color=ACCENT, alpha=0.8)
        if near and longest is not None:
            axes.axvline(longest, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)), label="longest allowed")
            axes.legend(fontsize=9)
        axes.set_xlabel("tokens in a row")
        axes.set_ylabel("rows")
        axes.locator_params(axis="y", integer=True)

    middle = sorted(tokens)[len(tokens) // 2]
    said = f"{len(tokens):,} rows, from {min(tokens):,g} to {most:,g} tokens, median {middle:,g}."
    if longest is not None:
        said += f" The longest row allowed has {longest:,g} tokens."
    return drawn("lengths", "Row lengths in tokens", said, 240, paint)


def differences(metric: str, baseline: str, gains: Sequence[float]) -> str:
    """Return how the rows' gains (tuned over baseline) are distributed; the bar at 0 is the near ties."""
    width = (max(map(abs, gains)) or 1.0) / 10.5
    counts: dict[int, int] = {}
    for gain in gains:
        place = round(gain / width)
        counts[place] = counts.get(place, 0) + 1

    def paint(axes: Axes) -> None:
        for place, count in sorted(counts.items()):
            color = SOFT if place == 0 else GOOD if place > 0 else BAD
            axes.bar(place * width, count, width=0.9 * width, color=color)
        axes.set_xlim(-11 * width, 11 * width)
        axes.set_xlabel(f"gain in {metric}, tuned over {baseline}")
        axes.set_ylabel("questions")
        axes.locator_params(axis="y", integer=True)

    higher, lower = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    equal = len(gains) - higher - lower
    said = f"Tuned is better on {higher:,}, equal on {equal:,} and worse on {lower:,} questions."
    return drawn("differences", f"Gain in {metric} per question", said, 240, paint)


def learning(metric: str, points: Sequence[tuple[float, float, float, float]], level: tuple[str, float]) -> str:
    """Return scores after training on growing parts of the rows, beside the best way without training.

    A point: rows, value, low, high. `level`: that way's name and value.
    """
    name, value = level

    def paint(axes: Axes) -> None:
        counts, values, lows, highs = (list(column) for column in zip(*points, strict=True))
        axes.fill_between(counts, lows, highs, color=ACCENT, alpha=0.15, linewidth=0)
        axes.plot(counts, values, color=ACCENT, marker="o", linewidth=1.8, label="tuned")
        axes.axhline(value, color=SECOND, linewidth=1.4, linestyle=(0, (4, 3)), label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [f"{count:,g}" for count in counts])
        axes.minorticks_off()
        axes.set_xlabel("rows trained on")
        axes.set_ylabel(metric)
        axes.legend(fontsize=9)

    said = "; ".join(f"{count:,g} rows {mean:.3f} ({low:.3f} to {high:.3f})" for count, mean, low, high in points)
    return drawn("learning", f"{metric} by rows trained on", f"{said}. {name}: {value:.3f}.", 260, paint)


def cost(metric: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Return quality against what an answer takes. A row: name, seconds an answer, value."""

    def paint(axes: Axes) -> None:
        for name, seconds, value in rows:
            axes.plot([seconds], [value], color=ACCENT if name == "tuned" else SOFT, marker="o", markersize=8)
            axes.annotate(name, (seconds, value), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=9)
        axes.margins(x=0.2, y=0.2)
        axes.set_xlabel("seconds an answer")
        axes.set_ylabel(metric)

    said = "; ".join(f"{name} {value:.3f} in {seconds:.3g} s" for name, seconds, value in rows)
    return drawn("cost", f"{metric} against seconds an answer", f"{said}.", 240, paint)


def calibration(bins: Sequence[tuple[float, float, float, float]]) -> str:
    """Return how often answers are right by how sure the model is. A bin: certainty, share right, low, high."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
        for at, _, low, high in bins:
            axes.plot([at, at], [low, high], color=ACCENT, linewidth=2, solid_capstyle="butt")
        axes.plot(
            [one[0] for one in bins], [one[1] for one in bins], color=ACCENT, marker="o", linewidth=1.2, label="tuned"
        )
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("how sure it is of its answer")
        axes.set_ylabel("share right")
        axes.legend(fontsize=9)

    said = "; ".join(f"{sure:.2f} sure, {right:.2f} right ({low:.2f} to {high:.2f})" for sure, right, low, high in bins)
    return drawn("calibration", "Share right by certainty", f"{said}.", 260, paint)


def forgetting(suites: Sequence[tuple[str, float, float]]) -> str:
    """Return each suite's share of right answers before tuning and after. A suite: name, before, after."""

    def paint(axes: Axes) -> None:
        for place, (_, before, after) in enumerate(suites):
            axes.plot([before, after], [place, place], color=GOOD if after >= before else BAD, linewidth=2)
            axes.plot([before], [place], color=SOFT, marker="o", markersize=8, label="" if place else "before")
            axes.plot([after], [place], color=ACCENT, marker="o", markersize=8, label="" if place else "after")
        axes.set_yticks(range(len(suites)), [name for name, *_ in suites])
        axes.set_ylim(len(suites) - 0.5, -0.6)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1)
        axes.set_xlabel("right answers")
        axes.legend(fontsize=9)

    said = "; ".join(f"{name} {before:.3f} before, {after:.3f} after" for name, before, after in suites)
    return drawn("forgetting", "General questions before and after", f"{said}.", 90 + 40 * len(suites), paint)


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _smoothed(points: Sequence[Point]) -> list[Point]:
    """Return an exponential average over about a twentieth of the steps, without the pull of its start."""
    keep = 1 - 1 / max(3.0, len(points) / 20)
    total, weight, out = 0.0, 0.0, []
    for x, y in points:
        total, weight = keep * total + y, keep * weight + 1
        out.append((x, total / weight))
    return out


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most SHOWN_POINTS points: each stretch's lowest and highest, so that no spike is lost."""
    if len(points) <= SHOWN_POINTS:
        return list(points)
    size = -(-2 * len(points) // SHOWN_POINTS)
    out: list[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        out += sorted(ends)
    return out


def _from_to(what: str, points: Sequence[Point]) -> str:
    if not points:
        return ""
    (first, start), (last, end) = points[0], points[-1]
    return f"{what} went from {start:.3f} at step {first:,g} to {end:.3f} at step {last:,g}."
