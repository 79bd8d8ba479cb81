"""Chromium's `WebSocket`, `EventSource` and `fetch`, in a page of the same application."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..chromium import chromium
from ..contract import Refused
from ..servers.cores import Role, cpu_time, pinned
from ..servers.process import Server, free_port, serving
from .load import REST, Figures, quantile, stats
from .log import Source
from .recovery import RATE, SIZE, figures

__all__ = [
    "CAREFUL",
    "KINDS",
    "RECOVERING",
    "UPSTREAM",
    "driver",
    "feed",
    "recovery",
    "streams",
    "upstream",
]

# What one does in a page, and the way of page.html that does it.
KINDS = {
    "WebSocket": "WebSocket as it is",
    "EventSource": "EventSource as it is",
    "fetch": "fetch with a cursor",
}
NEVER = "WebSocket as it is"
RECOVERING = (
    NEVER,
    "WebSocket, reconnects with a cursor",
    "EventSource as it is",
    "fetch with a cursor",
)
CAREFUL = frozenset(RECOVERING) - {NEVER}
UPSTREAM = {"WebSocket": "upstreamByWebSocket", "fetch": "upstreamByFetch"}
PATIENCE = 30.0  # seconds


@contextmanager
def driver() -> Iterator[Any]:
    """Chromium on the core of the load."""
    cores = os.sched_getaffinity(0)
    pinned(Role.LOAD)()
    try:
        with chromium() as started:
            os.sched_setaffinity(0, cores)
            yield started
    finally:
        os.sched_setaffinity(0, cores)


def _open(page: Any, server: Server) -> None:
    page.get("about:blank")  # ends all connections of the page before
    _until(lambda: stats(server.port)["connections"] == 0, "connections remain")
    page.get(f"http://127.0.0.1:{server.port}/")


def feed(page: Any, kind: str, rate: float, seconds: float) -> Figures:
    """What one page gets of *rate* messages a second. Raises Refused."""
    way = KINDS[kind]
    with serving("feed") as server, Source(server.port, SIZE) as source:
        _open(page, server)
        page.execute_script("begin(arguments[0])", way)
        _warm(page, way, source)
        page.execute_script("take(arguments[0])", way)
        before, first = stats(server.port), source.number + 1
        time.sleep(REST)
        cpu = cpu_time(server.pid)
        with source.running(rate):
            time.sleep(seconds)
        _until(lambda: _cursors(page)[way] == source.number, "the last message is missing")
        time.sleep(REST)
        cpu, after = cpu_time(server.pid) - cpu, stats(server.port)
        arrivals = page.execute_script("return take(arguments[0])", way)
    if after["connections"] != before["connections"]:
        raise Refused("connections came or went")
    latencies = [latency for _, _, latency in arrivals]
    return {
        "expected": source.number - first + 1,
        "delivered": len({number for number, _, _ in arrivals}),
        "p50": quantile(latencies, 0.5),
        "p99": quantile(latencies, 0.99),
        "cpu": cpu / len(arrivals),
        "wire": (after["total"] - before["total"]) / len(arrivals),
    }


def upstream(page: Any, kind: str, seconds: float) -> Figures:
    """Messages from one page to the server, each after the answer to the one before."""
    with serving("feed") as server:
        _open(page, server)
        script = f"return {UPSTREAM[kind]}(arguments[0], arguments[1])"
        page.execute_script(script, 100, "?".ljust(SIZE, "x"))  # opens the connection of fetch
        before = stats(server.port)["upstream"]
        count = page.execute_script(script, 1000 * seconds, "?".ljust(SIZE, "x"))
        return {
            "expected": count,
            "delivered": stats(server.port)["upstream"] - before,
            "seconds": seconds / count,
        }


def streams(page: Any, kind: str, count: int, seconds: float) -> Figures:
    """How many of *count* streams of one page are open at a time, and whether a request passes."""
    with serving("feed") as server:
        _open(page, server)
        script = "return openMany(...arguments)"
        found = page.execute_script(script, kind, count, 1000 * seconds)
        page.get("about:blank")
    return {"expected": count, "open": found["open"], "room": float(found["room"])}


def recovery(page: Any, seconds: float) -> tuple[dict[str, Figures], float]:
    """A page that has every kind of client, a server that is killed, and how long it was away."""
    port = free_port()
    source = Source(port, SIZE)
    with source, source.running(RATE):
        with serving("feed", port=port) as server:
            _open(page, server)
            for way in RECOVERING:
                page.execute_script("begin(arguments[0])", way)
            _until(lambda: all(_cursors(page).values()), "the feed did not begin")
            time.sleep(seconds)
        gone = time.time()
        last = _cursors(page)
        with serving("feed", port=port):
            away = time.time() - gone
            back = [way for way in RECOVERING if way != NEVER]
            _until(lambda: all(_cursors(page)[way] > last[way] for way in back), "no feed again")
            time.sleep(seconds)
            until = source.number
            _until(lambda: all(_cursors(page)[way] >= until for way in back), "the last is missing")
            arrivals = {
                way: page.execute_script("return take(arguments[0])", way) for way in RECOVERING
            }
            page.get("about:blank")
    return {
        way: figures([(n, when) for n, when, _ in each if n <= until], gone, until)
        for way, each in arrivals.items()
    }, away


def _cursors(page: Any) -> dict[str, int]:
    cursors: dict[str, int] = page.execute_script("return cursors()")
    return cursors


def _warm(page: Any, way: str, source: Source) -> None:
    """Publish until the page has heard the last message."""

    def heard() -> bool:
        source.publish()
        time.sleep(0.1)
        return _cursors(page)[way] == source.number

    _until(heard, "the feed did not begin")


def _until(fulfilled: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fulfilled():
        if time.monotonic() > deadline:
            raise Refused(complaint)
        time.sleep(0.05)
