"""Measures a server with many clients; a process of its own on the load's core.

`measure` runs ``python -m bench.compare.load``, which finds figures and prints them as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import monotonic, process_time, sleep
from typing import Any

from ..contract import Refused
from ..servers import ROOT
from ..servers.cores import Role, cpu_time, pinned
from ..servers.process import Server, resident
from .clients import Crowd
from .log import Source

__all__ = ["REST", "Figures", "Load", "measure", "quantile", "stats"]

Figures = dict[str, float]
BEFORE = 50  # clients that are there before those whose memory is measured
SETTLING = 4  # for a part of the time that is measured, nothing happens
# Seconds until a server has come to rest: only then does the kernel tell all of its time, and have
# acknowledgements been sent.
REST = 0.1
TIMEOUT = 120.0  # seconds beyond those of the load itself


@dataclass(frozen=True)
class Load:
    """*clients* of *path* for *seconds*; messages have *size* bytes.

    ``work`` is "feed", with *rate* messages a second, "idle", or "upstream", where each client has
    *rate* messages under way.
    """

    work: str
    path: str
    clients: int
    seconds: float
    rate: float = 0
    size: int = 100
    binary: bool = False


def measure(load: Load, server: Server) -> Figures:
    """Have a process of its own apply *load* to *server*. Raises Refused."""
    command = [sys.executable, "-m", "bench.compare.load", str(server.port), str(server.pid)]
    try:
        done = subprocess.run(
            [*command, json.dumps(asdict(load))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=load.seconds + TIMEOUT,
            preexec_fn=pinned(Role.LOAD),
        )
    except subprocess.TimeoutExpired as expired:
        raise Refused(f"no figures within {expired.timeout:g} s") from None
    if done.returncode:
        complaint = server.complaint()
        raise Refused(f"{done.stderr.strip().rpartition(chr(10))[2]} {complaint}".strip())
    figures: Figures = json.loads(done.stdout)
    return figures


def stats(port: int) -> dict[str, int]:
    """What the server counts, on the wire and upstream."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=30) as answer:
        counted: dict[str, int] = json.load(answer)
    return counted


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of all are. Raises Refused without any."""
    if not values:
        raise Refused("nothing arrived")
    return sorted(values)[int(len(values) * share)]


@contextmanager
def _counting(port: int, pid: int, found: Figures) -> Iterator[None]:
    """Add what was used to *found*: the server's ``cpu``, ``wire``, and the ``load``'s share."""
    before = stats(port)
    sleep(REST)
    cpu, own, start = cpu_time(pid), process_time(), monotonic()
    yield
    sleep(REST)
    found["cpu"] = cpu_time(pid) - cpu
    found["load"] = (process_time() - own) / (monotonic() - start)
    after = stats(port)
    if after["connections"] != before["connections"]:
        raise Refused("connections came or went, and with them what the kernel had counted")
    for name, key in (("wire", "total"), ("upstream", "upstream")):
        found[name] = after[key] - before[key]


def _feed(load: Load, port: int, pid: int) -> Figures:
    found: Figures = {}
    messages = max(1, round(load.rate * load.seconds))
    source = Source(port, load.size, load.binary, stats(port)["newest"])
    with source, Crowd(port, load.path, load.clients) as crowd:
        crowd.warm(source)
        crowd.latencies.clear()
        had = sum(client.received for client in crowd.clients)
        with _counting(port, pid, found):
            start = monotonic()
            for number in range(messages):
                crowd.idle(start + number / load.rate)
                source.publish()
            crowd.until(lambda: crowd.has(source.number), "the last message")
        delivered = sum(client.received for client in crowd.clients) - had
        return {
            "expected": messages * load.clients,
            "delivered": delivered,
            "lost": sum(client.lost for client in crowd.clients),
            "twice": sum(client.twice for client in crowd.clients),
            "p50": quantile(crowd.latencies, 0.5),
            "p99": quantile(crowd.latencies, 0.99),
            "cpu": found["cpu"] / delivered,
            "wire": found["wire"] / delivered,
            "load": found["load"],
        }


def _idle(load: Load, port: int, pid: int) -> Figures:
    """Memory of clients that have had a message, and CPU time of a second without any."""
    found: Figures = {}
    source = Source(port, load.size)
    with source, Crowd(port, load.path, BEFORE) as before:
        before.warm(source)
        before.idle(monotonic() + load.seconds / SETTLING)
        memory = resident(pid)
        with Crowd(port, load.path, load.clients) as crowd:
            source.publish()
            for each in (before, crowd):
                each.until(lambda each=each: each.has(source.number), "the message")  # type: ignore[misc]
            crowd.idle(monotonic() + load.seconds / SETTLING)
            grown = resident(pid)
            with _counting(port, pid, found):
                crowd.idle(monotonic() + load.seconds)
            idle = sum(client.received == 1 for client in crowd.clients)
    if memory is None or grown is None:
        raise Refused("the server has ended")
    return {
        "expected": load.clients,
        "delivered": idle,
        "bytes": (grown - memory) / load.clients,
        "cpu": found["cpu"] / load.seconds,
    }


def _upstream(load: Load, port: int, pid: int) -> Figures:
    """Each client sends *rate* messages, awaits an answer to the last of them, and so on."""
    found: Figures = {}
    plain, asking = "x" * load.size, "?".ljust(load.size, "x")
    texts = [plain] * (round(load.rate) - 1) + [asking]
    with Crowd(port, load.path, load.clients) as crowd:
        start, said = monotonic(), 0
        with _counting(port, pid, found):
            for client in crowd.clients:
                said += _say(client, texts)
            while monotonic() < start + load.seconds:
                for client in crowd.turn(0.1):
                    said += _say(client, texts)
            crowd.until(
                lambda: sum(client.stream.answers for client in crowd.clients) == said, "an answer"
            )
            seconds = monotonic() - start
    messages = said * len(texts)
    return {
        "expected": messages,
        "delivered": found["upstream"],
        "seconds": seconds / messages,
        "cpu": found["cpu"] / messages,
        "wire": found["wire"] / messages,
        "load": found["load"],
    }


def _say(client: Any, texts: Sequence[str]) -> int:
    client.stream.say(*texts)
    client.send_owed()
    return 1


WORK: dict[str, Callable[[Load, int, int], Figures]] = {
    "feed": _feed,
    "idle": _idle,
    "upstream": _upstream,
}


def main(argv: Sequence[str]) -> None:
    """Print the figures of the load in *argv*: port, process id, and the load in JSON."""
    port, pid, told = argv
    load = Load(**json.loads(told))
    try:
        print(json.dumps(WORK[load.work](load, int(port), int(pid))))
    except Refused as refused:
        raise SystemExit(str(refused)) from None


if __name__ == "__main__":
    main(sys.argv[1:])
