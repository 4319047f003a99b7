"""The figures of a report on data (see `whet.pages.figures`)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from whet.pages.figures import ACCENT, BAD, SECOND, SOFT, Axes, drawn

__all__ = ["COLORS", "bars", "lengths"]

COLORS = {"error": BAD, "warning": SECOND, "note": SOFT}
TICKS = 6
NAME = 34  # characters of a name
PER_BAR, AROUND = 17, 62  # points


def lengths(histogram: Mapping[str, Any]) -> str:
    """Return how long rows are, those that are longer than the model takes in another color (`Lengths.histogram`)."""
    unit, longest, edges, rows = (histogram[key] for key in ("unit", "longest", "edges", "rows"))
    taken = [longest is None or edge <= longest for edge in edges[:-1]]

    def paint(axes: Axes) -> None:
        for color, which in ((ACCENT, True), (BAD, False)):
            places = [place for place, fits in enumerate(taken) if fits == which]
            axes.bar([at + 0.5 for at in places], [rows[at] for at in places], width=0.92, color=color, alpha=0.85)
        if longest is not None and longest + 1 in edges:
            axes.axvline(
                edges.index(longest + 1), color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)),
                label=f"longest allowed: {longest:,} {unit}",
            )  # fmt: skip
            axes.legend(fontsize=9)
        told = _told(edges)
        axes.set_xticks(told, [f"{edges[at]:,}" for at in told])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"{unit} in a row")
        axes.set_ylabel("rows")
        axes.locator_params(axis="y", integer=True)

    most = max(range(len(rows)), key=rows.__getitem__)
    said = f"{sum(rows):,} rows, of from {edges[0]:,} to less than {edges[-1]:,} {unit}; "
    said += f"most often, {rows[most]:,} times, from {edges[most]:,} to {edges[most + 1] - 1:,}."
    if longest is not None:
        beyond = sum(count for count, fits in zip(rows, taken, strict=True) if not fits)
        said += f" The longest row that the model takes has {longest:,}; {beyond:,} rows have more."
    return drawn("lengths", f"Length of rows in {unit}", said, 230, paint)


def bars(name: str, title: str, unit: str, rows: Sequence[tuple[str, int, str]]) -> str:
    """Return a bar for each row, the first at the top. A row: what it stands for, how many, color or ""."""

    def paint(axes: Axes) -> None:
        for place, (_, count, color) in enumerate(rows):
            axes.barh(place, count, height=0.72, color=color or ACCENT, alpha=0.85)
            axes.annotate(
                f"{count:,}", (count, place), textcoords="offset points", xytext=(4, 0), va="center", fontsize=9
            )
        axes.set_yticks(range(len(rows)), [_short(what) for what, _, _ in rows], fontsize=9)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.14 * max(count for _, count, _ in rows))
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(unit)
        axes.locator_params(axis="x", nbins=5, integer=True)

    said = "; ".join(f"{_short(what)}: {count:,}" for what, count, _ in rows)
    return drawn(name, title, f"{said}.", AROUND + PER_BAR * len(rows), paint)


def _told(edges: Sequence[int]) -> list[int]:
    """Return which edges bear their number: round ones where all bars have one width, else every so many."""
    width = sorted(end - begin for begin, end in pairwise(edges))[len(edges) // 2 - 1]
    if edges[-1] - edges[0] > 1.5 * width * len(edges):
        return list(range(0, len(edges), -(-len(edges) // TICKS)))
    steps = (step * 10**power for power in range(20) for step in (1, 2, 5))
    told = ([at for at, edge in enumerate(edges) if edge % step == 0] for step in steps)
    return next(some for some in told if len(some) <= TICKS)


def _short(name: str) -> str:
    name = " ".join(name.split()) or "(empty)"
    return name if len(name) <= NAME else f"{name[: NAME - 3]}..."
