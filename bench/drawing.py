"""Draws charts of bars: one SVG, readable on a phone, in light and in dark.

Colours differ in lightness as well, for those who cannot tell them apart otherwise. Text stays
text. Without dates and with fixed ids, the same bars give the same file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

__all__ = ["Bar", "Panel", "described", "draw", "short"]

# Colour: what it is where the reader prefers dark.
PAPER, INK, GRID, OURS, THEIRS = "#ffffff", "#343a40", "#e9ecef", "#c2410c", "#a9b1ba"
DARK = {PAPER: "#1e2129", INK: "#dee2e6", GRID: "#343a46", OURS: "#ff922b", THEIRS: "#5f6873"}
# Inches. At 5, letters of 10 points are still read where the chart fills the width of a phone.
WIDTH, BAR, MARGIN = 5.0, 0.27, 0.75
HEAD, BODY, FOOT = 11, 10, 8  # points
LETTERS = {HEAD: 50, BODY: 58, FOOT: 78}  # that fit into a line


class Bar(NamedTuple):
    """A figure, and its lowest and highest over the rounds."""

    name: str
    figure: float
    low: float
    high: float


class Panel(NamedTuple):
    """Bars with a title of their own, the best first."""

    title: str
    bars: Sequence[Bar]


def draw(
    file: Path,
    panels: Sequence[Panel],
    *,
    title: str,
    unit: str,
    footnote: str,
    description: str,
    highlighted: str,
) -> None:
    """Draw *panels* to *file*; names that begin with *highlighted* stand out.

    Raises SystemExit if matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit("charts need matplotlib: pip install matplotlib") from None
    heights = [MARGIN + BAR * len(panel.bars) for panel in panels]
    figure = Figure((WIDTH, sum(heights) + 0.9), layout="constrained", facecolor=PAPER)
    told: Any = {"x": 0.02, "ha": "left", "color": INK}
    figure.suptitle(fill(title, LETTERS[HEAD]), weight="bold", fontsize=HEAD, **told)
    # A figure each: their titles begin where the names of the longest bars begin.
    parts = figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, panels, strict=True):
        part.set_facecolor(PAPER)
        part.suptitle(fill(panel.title, LETTERS[BODY]), fontsize=BODY, **told)
        _draw_panel(part.subplots(), panel, unit, highlighted)
    figure.supxlabel(fill(footnote, LETTERS[FOOT]), fontsize=FOOT, **told)
    metadata = {"Date": None, "Creator": None, "Title": title, "Description": description}
    with rc_context({"svg.hashsalt": file.stem, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata=metadata)
    file.write_text(_with_dark(file.read_text(encoding="utf-8")), encoding="utf-8")


def _draw_panel(axes: Any, panel: Panel, unit: str, highlighted: str) -> None:
    names, figures, lows, highs = zip(*panel.bars, strict=True)
    ours = [name.startswith(highlighted) for name in names]
    below = [figure - low for figure, low in zip(figures, lows, strict=True)]
    above = [high - figure for figure, high in zip(figures, highs, strict=True)]
    drawn = axes.barh(
        names, figures, color=[OURS if mine else THEIRS for mine in ours], zorder=2,
        xerr=[below, above], error_kw={"ecolor": INK, "elinewidth": 1, "zorder": 3},
    )  # fmt: skip
    axes.bar_label(drawn, [short(each) for each in figures], padding=4, color=INK, fontsize=BODY)
    for label, mine in zip(axes.get_yticklabels(), ours, strict=True):
        label.set(color=OURS if mine else INK, weight="bold" if mine else "normal", fontsize=BODY)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.25 * max(highs))
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.xaxis.set_major_formatter(lambda figure, _: short(figure))
    axes.set_xlabel(unit, fontsize=BODY, color=INK, loc="right")
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=BODY)
    axes.tick_params(axis="x", labelcolor=INK)
    # Clipping, which nothing here needs, has ids that depend on the last digits of the layout.
    for artist in (*axes.get_children(), *axes.get_xgridlines()):
        artist.set_clip_on(False)


def short(figure: float) -> str:
    """Three digits, in thousands or millions where it is large."""
    for scale, unit in ((1e6, " M"), (1e3, " k")):
        if abs(figure) >= 0.9995 * scale:
            return f"{figure / scale:.3g}{unit}"
    return f"{figure:.3g}"


def _with_dark(svg: str) -> str:
    """Add the colours for readers who prefer dark; others and old viewers see no difference."""
    rules = "".join(
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
    return svg.replace(
        "</style>", f"\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n</style>", 1
    )


def described(svg: str) -> Mapping[str, str]:
    """What the chart in *svg* says that it shows: "title" and "description"."""
    from xml.etree import ElementTree

    purl = "{http://purl.org/dc/elements/1.1/}"
    root = ElementTree.fromstring(svg)
    return {name: root.findtext(f".//{purl}{name}") or "" for name in ("title", "description")}
