"""Figures as SVG to put inside a page.

The text stays text, colors are the page's own CSS variables (so one figure serves light and dark), every id
begins with the figure's name, and the same numbers give the same bytes. Matplotlib is imported when the first
figure is drawn.
"""

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
else:
    Axes = Any

WIDTH = 420  # points: narrow enough that the text can still be read on a phone
INK, GRID, ACCENT, SOFT, SECOND, GOOD, BAD = (f"#0{n}0{n}0{n}" for n in range(1, 8))
COLORS = {
    INK: "var(--ink, currentColor)",
    GRID: "var(--line, #bbb)",
    ACCENT: "var(--accent, #1f5fbf)",
    SOFT: "var(--soft, #8a8f98)",
    SECOND: "var(--second, #b4540a)",
    GOOD: "var(--good, #0a6b3d)",
    BAD: "var(--bad, #a3201d)",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


def drawn(name: str, title: str, said: str, height: float, paint: Callable[[Axes], None]) -> str:
    """Return a figure of that height in points, `said` in words to those who cannot see it; its name is its own."""
    import matplotlib as mpl  # noqa: PLC0415  # half a second that only a report should cost
    from matplotlib.figure import Figure  # noqa: PLC0415

    file = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # a matplotlibrc on the machine must not change the page
        mpl.rcParams.update({**STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        paint(axes)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with warnings.catch_warnings():  # a name's letters are drawn by the reader's fonts, not by ours
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(file, format="svg", metadata=nothing)
    return _inline(file.getvalue(), f"plot-{name}", title, said)


def _inline(svg: str, name: str, title: str, said: str) -> str:
    """Return a file's SVG as an element of a page: no prolog, own ids, the page's colors and font."""
    box = re.search(r'viewBox="([^"]*)"', svg)
    assert box is not None
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style\b.*?</style>", "", body, flags=re.DOTALL)

    def own(tag: re.Match[str]) -> str:
        text = tag[0].replace(' id="', f' id="{name}-').replace("url(#", f"url(#{name}-")
        text = re.sub(r'\b(?:xlink:)?href="#', f'href="#{name}-', text)
        text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
        return re.sub(r"#0([1-7])(?:0\1){2}", lambda found: COLORS[found[0]], text)

    body = re.sub(r"<[^>]*>", own, body)  # tags only: what the text says is left alone
    opening = (
        f'<svg class="plot" viewBox="{box[1]}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(said)}</desc>'
    )
    return opening + body.strip()
