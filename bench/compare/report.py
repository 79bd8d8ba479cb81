"""What was found, as tables in Markdown. All figures are those of the JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..report import duration
from . import browser, recovery
from .parts import BROWSER_RATES, RATES, names

__all__ = ["faults", "summary"]

KIB = 1024
ABSENT = "not measured"
HUB, TASK = "WebSocket, Hub", "WebSocket, task"
WAYS = (HUB, "SSE", "long polling")
RATE_CASES = tuple(names("rates"))
IDLE, BINARY = names("idle"), names("binary")
BROWSER_CASES = tuple(f"compare-browser-{rate}" for rate in BROWSER_RATES)
# Cases in which nothing may be lost, and those in which it depends on the client.
LOSSLESS = (*RATE_CASES, *BINARY, *IDLE, "compare-upstream", *BROWSER_CASES)
CAREFUL = {
    "compare-recovery": recovery.CAREFUL,
    "compare-browser-recovery": browser.CAREFUL,
}
# What does not depend on a measurement.
DIRECTION = (
    "direction",
    "both",
    "to the client; POST for the rest",
    "to the client; POST for the rest",
)
FRAMING = (
    "around a message",
    "2 to 10 bytes; 4 more upstream",
    "`id:`, `data:`, line ends, the length of a chunk",
    "a request and an answer, each with headers",
)
KINDS = ("payloads", "text and bytes", "lines of text", "whatever HTTP carries; JSON here")
AGAIN = (
    "reconnection",
    "yours to do; `wscore.connect(reconnect=...)` does it",
    "`EventSource` does it, and tells the server the last `id` that it saw",
    "the next poll",
)
PROXIES = (
    "[proxies](#proxies)",
    "have to pass `Upgrade`; then they see a tunnel. Pings keep it open",
    "may buffer or compress the stream; comments keep it open",
    "nothing special, if a poll ends before their timeout",
)
HTTP2 = (
    "[HTTP/2](#browsers-and-http2)",
    "RFC 8441, where all on the way have it; else a connection of its own",
    "a stream of the shared connection",
    "a stream of the shared connection, with small headers",
)

Format = Callable[[float], str]


class Found:
    """The medians of a document, by case, contender and measure."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.results = {result["case"]["name"]: result for result in document["results"]}

    def contenders(self, case: str) -> dict[str, dict[str, float]]:
        """What was measured in *case*, by contender."""
        return self.results[case]["medians"] if case in self.results else {}

    def figure(self, case: str, contender: str, measure: str, form: Format) -> str:
        """One figure, or that there is none."""
        measures = self.contenders(case).get(contender, {})
        return form(measures[measure]) if measure in measures else ABSENT

    def series(self, cases: Sequence[str], contender: str, measure: str, form: Format) -> str:
        """One figure of each case."""
        return ", ".join(self.figure(case, contender, measure, form) for case in cases)


def summary(document: Mapping[str, Any]) -> str:
    """All tables, what is missing in them, and what they were measured with."""
    found = Found(document)
    parts = (
        _comparison(found, document["scale"]),
        _recoveries(found),
        _in_browser(found),
        "\n".join(_absent(document)),
        _provenance(document),
    )
    return "\n\n".join(part for part in parts if part)


def faults(document: Mapping[str, Any]) -> list[str]:
    """What failed, and where messages are missing or came twice."""
    lines = [
        f"FAILED: {result['case']['name']}: {name}: {reason}"
        for result in document["results"]
        for name, reason in result["refused"].items()
    ]
    for result in document["results"]:
        case = result["case"]["name"]
        for name, measures in result["medians"].items():
            if case in LOSSLESS or name in CAREFUL.get(case, ()):
                lost = measures["expected"] - measures["delivered"]
                twice = measures.get("twice", 0)
                if lost or twice or measures.get("lost"):
                    lines.append(f"LOST: {case}: {name}: {lost:g} lost, {twice:g} came twice")
    return lines


def _comparison(found: Found, scale: Mapping[str, Any]) -> str:
    at = f"at {', '.join(map(str, RATES))} a second"
    many, size = f"{scale['clients']:,} clients", f"{scale['size']:,} B"
    large, idle = f"{scale['binary_size']:,} bytes", f"{scale['idle']:,} idle clients"
    rows: list[tuple[str, ...]] = [DIRECTION, KINDS, FRAMING]
    rows += [
        _row(found, f"a message of {size} on the wire, {at}", RATE_CASES, "wire", _bytes),
        _row(found, f"latency to {many}, p50, {at}", RATE_CASES, "p50", duration),
        _row(found, f"the same, p99, {at}", RATE_CASES, "p99", duration),
        _row(found, f"server CPU for one delivery, {at}", RATE_CASES, "cpu", duration),
        _row(found, f"memory for each of {idle}", IDLE, "bytes", _kib),
        _row(found, "server CPU for all of them, a second", IDLE, "cpu", duration),
        _row(found, f"a message of {large} on the wire", BINARY, "wire", _bytes),
        _row(found, "server CPU for one delivery of it", BINARY, "cpu", duration),
        _upstream(found, f"upstream, {size}: messages a second, each answered", "seconds", _rate),
        _upstream(found, "one of them on the wire, with its answer", "wire", _bytes),
        _upstream(found, "server CPU for one", "cpu", duration),
        _streams(found),
    ]
    rows += [AGAIN, PROXIES, HTTP2]
    head = ["| | WebSocket | SSE | long polling |", "|---|---|---|---|"]
    return "\n".join([*head, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(
    found: Found, title: str, cases: Sequence[str], measure: str, form: Format
) -> tuple[str, ...]:
    """One row; for WebSocket both with a hub and, if that differs, with a task for each client."""
    hub, *others = (found.series(cases, way, measure, form) for way in WAYS)
    task = found.series(cases, TASK, measure, form)
    return (title, hub if hub == task else f"{hub}<br>a task each: {task}", *others)


def _upstream(found: Found, title: str, measure: str, form: Format) -> tuple[str, ...]:
    ws, many, post = (
        found.figure("compare-upstream", way, measure, form)
        for way in ("WebSocket", "WebSocket, 32 in flight", "POST")
    )
    return title, f"{ws}<br>32 in flight: {many}", f"{post}, by POST", f"{post}, by POST"


def _streams(found: Found) -> tuple[str, ...]:
    case = "compare-browser-streams"
    cells = []
    for kind in browser.KINDS:
        measures = found.contenders(case).get(kind)
        if measures is None:
            cells.append(ABSENT)
            continue
        room = "another request passes" if measures["room"] else "another request waits"
        cells.append(f"{measures['open']:.0f} of {measures['expected']:.0f}; {room}")
    return "streams of one Chromium to one server at a time", *cells


def _recoveries(found: Found) -> str:
    lines = []
    for case, who in (("compare-recovery", "Python"), ("compare-browser-recovery", "Chromium")):
        for way, measures in found.contenders(case).items():
            goes_on, lost = "never", "all since"
            if "seconds" in measures:
                goes_on, lost = f"{measures['seconds']:.2f} s", f"{measures['lost']:.0f}"
            lines.append(f"| {who}: {way} | {goes_on} | {lost} | {measures['twice']:.0f} |")
        if lines and case in found.results:
            away = found.results[case]["facts"].get("server", {}).get("away", "?")
            lines.append(f"| *the server listened again after* | {away} s | | |")
    if not lines:
        return ""
    title = f"the server was killed; {recovery.RATE:g} messages a second"
    head = f"| {title} | the feed goes on after | lost | twice |"
    return "\n".join([head, "|---|---|---|---|", *lines])


def _in_browser(found: Found) -> str:
    if not any(found.contenders(case) for case in BROWSER_CASES):
        return ""
    at = f"at {', '.join(map(str, BROWSER_RATES))} a second"
    shown: list[tuple[str, str, Format]] = [
        (f"a message on the wire, {at}", "wire", _bytes),
        (f"latency, p50, {at}", "p50", duration),
        (f"latency, p99, {at}", "p99", duration),
    ]
    rows = [
        (title, *(found.series(BROWSER_CASES, kind, measure, form) for kind in browser.KINDS))
        for title, measure, form in shown
    ]
    speaks = [
        found.figure("compare-browser-upstream", kind, "seconds", _rate)
        if kind in browser.UPSTREAM
        else "-"
        for kind in browser.KINDS
    ]
    rows.append(("upstream messages a second, each answered", *speaks))
    head = ("one page in Chromium", *(f"`{kind}`" for kind in browser.KINDS))
    return "\n".join([_line(head), "|---" * len(head) + "|", *map(_line, rows)])


def _absent(document: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Not measured: {result['case']['name']}, {name}: {reason}."
        for result in document["results"]
        for group in ("missing", "refused")
        for name, reason in result[group].items()
    ]
    return list(dict.fromkeys(lines))


def _provenance(document: Mapping[str, Any]) -> str:
    made_on, pace = document["machine"], document["pace"]
    about = ("backend", "loop", "away")
    versions = sorted(
        {
            f"{name} {version}"
            for result in document["results"]
            for facts in result["facts"].values()
            for name, version in facts.items()
            if name not in about and not name.startswith("failure")
        }
    )
    shares = [
        measures["load"]
        for result in document["results"]
        for measures in result["medians"].values()
        if "load" in measures
    ]
    busy = f" The load used at most {max(shares):.0%} of its core." if shares else ""
    return (
        f"{made_on['cpu']}, {made_on['cores']} cores, {made_on['system']}, {made_on['python']}; "
        f"{', '.join(versions)}. Medians of {pace['rounds']} rounds of {pace['seconds']:g} s or "
        f"more.{busy} {made_on['when'][:10]}."
    )


def _bytes(figure: float) -> str:
    return f"{figure:,.0f} B"


def _kib(figure: float) -> str:
    return f"{figure / KIB:.1f} KiB"


def _rate(seconds: float) -> str:
    return f"{1 / seconds:,.0f}"
