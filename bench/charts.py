"""``python -m bench.charts RESULTS.json DIRECTORY``: draw the results of `bench.end_to_end`.

Those of `bench.broadcast` and `bench.compare` as well. Each chart is an SVG that answers the
question in its title. The bars of wscore, or of WebSocket, are coloured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CHARTS", "Chart", "bars", "draw"]

OURS, THEIRS, INK = "#d9480f", "#adb5bd", "#343a40"
WIDTH, BAR, PANEL = 8.0, 0.24, 0.55  # inches: width of a panel, height of a bar, margin of a panel
KIB = 1024

# The medians of one case: contender -> measure -> figure.
Medians = Mapping[str, Mapping[str, float]]


def _rate(figures: Mapping[str, float]) -> float:
    return 1 / figures["seconds"]


def _kib(figures: Mapping[str, float]) -> float:
    return figures["bytes"] / KIB


def _p99(figures: Mapping[str, float]) -> float:
    return figures["p99"] * 1000


@dataclass(frozen=True)
class Chart:
    """A question with a panel for each of *cases*, which maps names of cases to panel titles."""

    title: str
    cases: Mapping[str, str]
    figure: Callable[[Mapping[str, float]], float] = _rate
    small_is_good: bool = False
    ours: str = "wscore"  # how the names of coloured bars begin


RATES = {
    "compare-rate-1": "1 message a second",
    "compare-rate-10": "10 messages a second",
    "compare-rate-100": "100 messages a second",
}


def _compared(
    title: str, cases: Mapping[str, str], figure: Callable[[Mapping[str, float]], float]
) -> Chart:
    return Chart(title, cases, figure, small_is_good=True, ours="WebSocket")


CHARTS = {
    "echo-small": Chart(
        "Echo server on one core: messages a second, more is better",
        {
            "echo-64B-1-text": "64 B, 16 connections, one message at a time",
            "echo-64B-32-text": "64 B, 16 connections, 32 messages at a time",
        },
    ),
    "echo-large": Chart(
        "Echo server on one core: messages a second, more is better",
        {
            "echo-64KiB-1-text": "64 KiB, 4 connections, one message at a time",
            "echo-1MiB-1-text": "1 MiB, 4 connections, one message at a time",
        },
    ),
    "client": Chart(
        "Client: round trips a second, more is better",
        {"client-256B": "256 B; client and echo server share one core"},
    ),
    "handshakes": Chart(
        "Server on one core: handshakes a second, more is better",
        {"connections": "one after the other"},
    ),
    "memory": Chart(
        "Server: memory for a connection in KiB, less is better",
        {"connections": "idle, after one message"},
        figure=_kib,
        small_is_good=True,
    ),
    "broadcast": Chart(
        "One message to many, server on one core: more is better",
        {
            "broadcast-all-100": "100 clients send 20 B to all: rounds a second",
            "broadcast-one-1000": "one sends 100 B to 1,000, 10 in flight: deliveries a second",
            "broadcast-deflate-1000": "1 KiB of JSON, compressed, to 1,000: deliveries a second",
        },
    ),
    "asgi": Chart(
        "ASGI echo on one core, 16 connections: messages a second, more is better",
        {
            "asgi-raw-1": "64 B, one message at a time",
            "asgi-raw-32": "64 B, 32 messages at a time",
            "asgi-fastapi-32": "the same in FastAPI",
        },
    ),
    "asgi-memory": Chart(
        "ASGI server: memory for a connection in KiB, less is better",
        {
            "asgi-raw-idle": "idle, after one message",
            "asgi-fastapi-idle": "the same in FastAPI",
        },
        figure=_kib,
        small_is_good=True,
    ),
    "deflate": Chart(
        "Echo server with permessage-deflate: messages a second, more is better",
        {
            "deflate-4KiB-json-level6": "4 KiB JSON, 16 connections, level 6, 4 KiB window",
            "deflate-4KiB-json-level1": "4 KiB JSON, 16 connections, level 1, 4 KiB window",
        },
    ),
    "deflate-latency": Chart(
        "p99 of 64 B messages beside compressed ones of 16 MiB, in ms, less is better",
        {"deflate-latency": "one connection with large messages, one with small ones"},
        figure=_p99,
        small_is_good=True,
    ),
    "deflate-memory": Chart(
        "Server with permessage-deflate: memory for a connection in KiB, less is better",
        {
            "deflate-connections-20B": "after a message of 20 B, not compressed",
            "deflate-connections-4KiB": "after a message of 4 KiB, compressed both ways",
        },
        figure=_kib,
        small_is_good=True,
    ),
    "deflate-handshakes": Chart(
        "Server on one core, deflate offered: handshakes a second, more is better",
        {"deflate-connections-20B": "one after the other"},
    ),
    "compare-wire": _compared(
        "Bytes on the wire for a message, all headers included, less is better",
        RATES,
        lambda figures: figures["wire"],
    ),
    "compare-latency": _compared(
        "Latency of a message to many clients, p99 in ms, less is better", RATES, _p99
    ),
    "compare-cpu": _compared(
        "CPU of the server for a message to one of many clients, in µs, less is better",
        RATES,
        lambda figures: figures["cpu"] * 1e6,
    ),
    "compare-memory": _compared(
        "Memory of the server for an idle client in KiB, less is better",
        {"compare-idle": "after one message"},
        _kib,
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Draw the charts that have results. Return 1 if there are none, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.charts", description="Draw charts.")
    parser.add_argument("results", type=Path, help="the JSON file written by bench.end_to_end")
    parser.add_argument("directory", type=Path, help="the directory for the SVG files")
    options = parser.parse_args(argv)
    document = json.loads(options.results.read_text(encoding="utf-8"))
    medians = {result["case"]["name"]: result["medians"] for result in document["results"]}
    options.directory.mkdir(parents=True, exist_ok=True)
    drawn = 0
    for name, chart in CHARTS.items():
        if medians.keys() >= chart.cases.keys():
            draw(chart, medians, _provenance(document), options.directory / f"{name}.svg")
            drawn += 1
    return int(drawn == 0)


def bars(chart: Chart, medians: Medians) -> list[tuple[str, float]]:
    """Return the contenders and figures of one panel, the best first."""
    figures = [(name, chart.figure(measures)) for name, measures in medians.items()]
    return sorted(figures, key=lambda bar: bar[1], reverse=not chart.small_is_good)


def draw(chart: Chart, medians: Mapping[str, Medians], provenance: str, file: Path) -> None:
    """Draw *chart* to *file*. Raises SystemExit if matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit("charts need matplotlib: pip install matplotlib") from None
    panels = {title: bars(chart, medians[case]) for case, title in chart.cases.items()}
    heights = [PANEL + BAR * len(panel) for panel in panels.values()]
    figure = Figure((WIDTH, sum(heights) + 0.6), layout="constrained")
    figure.suptitle(chart.title, x=0.01, ha="left", color=INK, weight="bold")
    rows = figure.subplots(len(panels), height_ratios=heights, squeeze=False)[:, 0]
    for axes, (title, panel) in zip(rows, panels.items(), strict=True):
        _draw_panel(axes, title, panel, chart.ours)
    figure.supxlabel(provenance, x=0.01, ha="left", fontsize=7, color=INK)
    # Without a date and with fixed ids, the same results give the same file.
    with rc_context({"svg.hashsalt": file.stem}):
        figure.savefig(file, metadata={"Date": None})


def _draw_panel(axes: Any, title: str, panel: Sequence[tuple[str, float]], prefix: str) -> None:
    names, figures = zip(*panel, strict=True)
    ours = [name.startswith(prefix) for name in names]
    drawn = axes.barh(names, figures, color=[OURS if mine else THEIRS for mine in ours])
    axes.bar_label(drawn, [_short(figure) for figure in figures], padding=3, color=INK, fontsize=8)
    for label, mine in zip(axes.get_yticklabels(), ours, strict=True):
        label.set(color=OURS if mine else INK, weight="bold" if mine else "normal", fontsize=8)
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _short(figure: float) -> str:
    for scale, unit in ((1e6, " M"), (1e3, " k")):
        if figure >= scale:
            return f"{figure / scale:.3g}{unit}"
    return f"{figure:.3g}"


def _provenance(document: Mapping[str, Any]) -> str:
    machine, pace = document["machine"], document["pace"]
    return (
        f"{machine['cpu']}, {machine['python']}, wscore {machine['wscore']['version']}; uvloop "
        f"unless said; median of {pace['rounds']} rounds, {machine['when'][:10]}"
    )


if __name__ == "__main__":
    sys.exit(main())
