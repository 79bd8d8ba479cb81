"""``python -m bench.charts RESULTS.json DIRECTORY``: draw the charts that the results have.

Each chart is an SVG that answers the question in its title, whichever benchmark has measured it.
Bars are medians, the best first; lines on them reach from the lowest to the highest round. The
bars of wscore, or of WebSocket, are coloured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .drawing import Bar, Panel, draw, short
from .samples import Document, Samples, load, pace, samples

__all__ = ["CHARTS", "Chart", "alt", "bars", "draw_all", "measured"]

KIB, MIB = 1 << 10, 1 << 20
UVLOOP = "uvloop unless said. "

# The figures of one round, by measure.
Round = Mapping[str, float]


def _rate(figures: Round) -> float:
    return 1 / figures["seconds"]


def _kib(figures: Round) -> float:
    return figures["bytes"] / KIB


def _mib(figures: Round) -> float:
    return figures["rate"] / MIB


def _p50(figures: Round) -> float:
    return figures["p50"] * 1e3


def _p99(figures: Round) -> float:
    return figures["p99"] * 1e3


def _cpu(figures: Round) -> float:
    return figures["cpu"] * 1e6


@dataclass(frozen=True)
class Chart:
    """A question with a panel for each of *cases*, which maps names of cases to panel titles."""

    title: str
    unit: str
    cases: Mapping[str, str]
    figure: Callable[[Round], float] = _rate
    small_is_good: bool = False
    ours: str = "wscore"  # how the names of coloured bars begin
    note: str = UVLOOP

    @property
    def axis(self) -> str:
        """What the axis says."""
        return f"{self.unit}: {'less' if self.small_is_good else 'more'} is better"


def _small(
    title: str,
    unit: str,
    cases: Mapping[str, str],
    figure: Callable[[Round], float],
    note: str = UVLOOP,
) -> Chart:
    return Chart(title, unit, cases, figure, small_is_good=True, note=note)


def _compared(
    title: str, unit: str, cases: Mapping[str, str], figure: Callable[[Round], float]
) -> Chart:
    return Chart(title, unit, cases, figure, small_is_good=True, ours="WebSocket")


RATES = {
    "compare-rate-1": "1 message a second",
    "compare-rate-10": "10 messages a second",
    "compare-rate-100": "100 messages a second",
}
CONNECTION = "KiB for a connection"
MESSAGES = "messages a second"

CHARTS = {
    "kernels-mask": Chart(
        "Masking",
        "calls a second",
        {"apply_mask 64 B": "64 B", "apply_mask 64 KiB": "64 KiB"},
        note="",
    ),
    "kernels-utf8": Chart(
        "Is this UTF-8?",
        "calls a second",
        {"is_utf8 ASCII 64 KiB": "64 KiB of ASCII", "is_utf8 CJK 64 KiB": "64 KiB of CJK"},
        note="",
    ),
    "kernels-reader": Chart(
        "Reading masked text messages of 64 B, without I/O",
        MESSAGES,
        {"read 64 B messages": "64 KiB at a time"},
        note="",
    ),
    "echo-small": Chart(
        "Echo server on one core, small messages",
        MESSAGES,
        {
            "echo-64B-1-text": "64 B, 16 connections, one message at a time",
            "echo-64B-32-text": "64 B, 16 connections, 32 messages at a time",
        },
    ),
    "echo-large": Chart(
        "Echo server on one core, large messages",
        MESSAGES,
        {
            "echo-64KiB-1-text": "64 KiB, 4 connections, one message at a time",
            "echo-1MiB-1-text": "1 MiB, 4 connections, one message at a time",
        },
    ),
    "echo-latency": _small(
        "Echo server on one core under full load: 99 of 100 round trips take less than this",
        "ms",
        {"echo-64B-1-text": "64 B, 16 connections, one message at a time"},
        _p99,
    ),
    "client": Chart(
        "Client",
        "round trips a second",
        {"client-256B": "256 B; client and echo server share one core"},
    ),
    "handshakes": Chart(
        "Handshakes, server on one core",
        "handshakes a second",
        {"connections": "one after the other"},
    ),
    "memory": _small(
        "Memory of a server for a connection",
        CONNECTION,
        {"connections": "idle, after one message"},
        _kib,
    ),
    "broadcast-all": Chart(
        "100 clients send 20 B to all, server on one core",
        "rounds a second",
        {"broadcast-all-100": "a round: all 100 have the messages of all 100"},
    ),
    "broadcast": Chart(
        "One message to 1,000 clients, server on one core",
        "deliveries a second",
        {
            "broadcast-one-1000": "100 B, 10 messages in flight",
            "broadcast-deflate-1000": "1 KiB of JSON, compressed, 10 in flight",
        },
    ),
    "asgi": Chart(
        "ASGI echo on one core, 16 connections, 64 B",
        MESSAGES,
        {
            "asgi-raw-1": "one message at a time",
            "asgi-raw-32": "32 messages at a time",
            "asgi-fastapi-32": "32 messages at a time, in FastAPI",
        },
    ),
    "asgi-handshakes": Chart(
        "ASGI server on one core, 16 handshakes at a time",
        "connections a second",
        {
            "asgi-raw-handshakes": "opening handshakes",
            "asgi-raw-handshakes-closing": "each with a closing handshake",
        },
    ),
    "asgi-memory": _small(
        "Memory of an ASGI server for a connection",
        CONNECTION,
        {
            "asgi-raw-idle": "idle, after one message",
            "asgi-fastapi-idle": "the same in FastAPI",
        },
        _kib,
    ),
    "deflate": Chart(
        "Echo server with permessage-deflate, 4 KiB of JSON, 16 connections",
        MESSAGES,
        {
            "deflate-4KiB-json-level6": "level 6, window of 4 KiB",
            "deflate-4KiB-json-level1": "level 1, window of 4 KiB",
        },
    ),
    "deflate-latency": _small(
        "Small messages beside compressed ones of 16 MiB",
        "p99 in ms",
        {"deflate-latency": "one connection with large messages, one with 64 B"},
        _p99,
    ),
    "deflate-memory": _small(
        "Memory of a server with permessage-deflate for a connection",
        CONNECTION,
        {
            "deflate-connections-20B": "after a message of 20 B, not compressed",
            "deflate-connections-4KiB": "after a message of 4 KiB, compressed both ways",
        },
        _kib,
    ),
    "deflate-handshakes": Chart(
        "Handshakes with deflate offered, server on one core",
        "handshakes a second",
        {"deflate-connections-20B": "one after the other"},
    ),
    "nodes": Chart(
        "Hubs of many nodes over Redis, the node on one core",
        "messages or deliveries a second",
        {
            "nodes-subscriber": "messages that wait in Redis, taken by one node",
            "nodes-socketio": "128 B of text to 300 members, 10 in flight",
            "nodes-fan-out-100": "128 B to 1,000 members, 100 in flight",
        },
    ),
    "nodes-latency": _small(
        "From node to node over Redis, 1,000 messages a second",
        "median latency in ms",
        {"nodes-latency": "from the call that publishes to the listener"},
        _p50,
    ),
    "bridge": Chart(
        "From WebSocket to TCP and back, the bridge on one core",
        "MiB a second",
        {
            "bridge-large": "messages of 64 KiB",
            "bridge-small": "messages of 64 B",
            "bridge-small-down": "64 B at a time, to the client only",
        },
        _mib,
    ),
    "tls": _small(
        "Echo of 64 B over TLS: CPU time of the server",
        "µs for a message",
        {
            "tls-64B-1": "16 connections, one message at a time",
            "tls-64B-32": "16 connections, 32 messages at a time",
        },
        _cpu,
        note="",
    ),
    "tls-memory": _small(
        "Memory of a server for a connection with TLS",
        CONNECTION,
        {"tls-memory": "idle"},
        _kib,
        note="",
    ),
    "compare-wire": _compared(
        "A message on the wire, all headers included",
        "bytes",
        RATES,
        lambda figures: figures["wire"],
    ),
    "compare-latency": _compared("Latency of a message to many clients", "p99 in ms", RATES, _p99),
    "compare-cpu": _compared(
        "CPU time of the server for a message to one of many clients", "µs", RATES, _cpu
    ),
    "compare-memory": _compared(
        "Memory of the server for an idle client",
        "KiB for a client",
        {"compare-idle": "after one message"},
        _kib,
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Draw the charts that have results. Return 1 if there are none, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.charts", description="Draw charts.")
    parser.add_argument("results", type=Path, help="a JSON file that a benchmark has written")
    parser.add_argument("directory", type=Path, help="the directory for the SVG files")
    options = parser.parse_args(argv)
    return int(not draw_all(load(options.results), options.directory))


def measured(found: Samples) -> list[str]:
    """The names of the charts that have all their cases in *found*."""
    return [name for name, chart in CHARTS.items() if found.keys() >= chart.cases.keys()]


def draw_all(document: Document, directory: Path) -> list[str]:
    """Draw what *document* has the cases of. Returns the names of the charts."""
    directory.mkdir(parents=True, exist_ok=True)
    found = samples(document)
    drawn = measured(found)
    for name in drawn:
        chart = CHARTS[name]
        draw(
            directory / f"{name}.svg",
            [Panel(title, bars(chart, found[case])) for case, title in chart.cases.items()],
            title=chart.title,
            unit=chart.axis,
            footnote=_footnote(document, chart),
            description=alt(chart, found),
            highlighted=chart.ours,
        )
    return drawn


def bars(chart: Chart, contenders: Mapping[str, Mapping[str, list[float]]]) -> list[Bar]:
    """The bars of one panel, the best first."""
    found = []
    for name, measures in contenders.items():
        rounds = [
            chart.figure(dict(zip(measures, figures, strict=True)))
            for figures in zip(*measures.values(), strict=True)
        ]
        # The inverse of the median, as in tables, is not always the median of the inverses.
        middle = chart.figure({measure: median(taken) for measure, taken in measures.items()})
        found.append(Bar(name, middle, min(rounds), max(rounds)))
    return sorted(found, key=lambda bar: bar.figure, reverse=not chart.small_is_good)


def alt(chart: Chart, found: Samples) -> str:
    """What the chart shows, in words and figures, for those who do not see it."""
    panels = []
    for case, title in chart.cases.items():
        told = [f"{bar.name} {short(bar.figure)}" for bar in bars(chart, found[case])]
        panels.append(f"{title}: {', '.join(told)}")
    return f"{chart.title}, {chart.axis}. {'. '.join(panels)}."


def _footnote(document: Document, chart: Chart) -> str:
    machine, (rounds, _) = document["machine"], pace(document)
    return (
        f"{machine['cpu']}, {machine['python']}, wscore {machine['wscore']['version']}. "
        f"{chart.note}Median and range of {rounds} rounds or fewer, {machine['when'][:10]}."
    )


if __name__ == "__main__":
    sys.exit(main())
