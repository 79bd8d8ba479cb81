"""Rooms that are large, and members who do not read: a part of `bench.broadcast`.

First a room of as many members as descriptors allow: the longest turn of the server's event loop
while it publishes, and the latency of an echo on a connection beside it. Then rooms with one
member who never reads and many who do: memory of the server, latency of the others, and whether
every message is accounted for. Server and load have a core each.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import sleep
from typing import Any

from .contract import Refused
from .load.aside import Aside, undisturbed
from .load.fan import NOBODY, Fan, Report, Stuck, fan
from .report import duration
from .servers.process import Server, serving

__all__ = ["GOALS", "Beside", "Slow", "beside", "faults", "measure", "most_members", "slow",
           "table"]  # fmt: skip

MOST_MEMBERS = 20_000
SPARE = 300  # descriptors for everything else
READERS, MESSAGE, IN_FLIGHT = 200, 20, 1000
POLICIES = ("drop_newest", "drop_oldest")
TURN, ECHO = 0.005, 0.010  # seconds: goals for the longest turn, and for p99 of the echo
GOALS = {"members": MOST_MEMBERS, "turn": TURN, "echo": ECHO}
POLL, PAUSE = 0.05, 0.001  # seconds between looks at the server, and between echoes
BRIEFLY = 0.001  # seconds: it is the number of rounds that counts
MIB = 1 << 20


@dataclass(frozen=True)
class Beside:
    """A room of *members* that is published to all the time; times in seconds.

    ``turn`` is the longest of the event loop, ``turn_cpu`` the CPU time of the longest, which no
    other process lengthens, and ``gc`` that of Python's garbage collector; ``late`` of ``turns``
    took more than `TURN`. ``first`` says whether the echo's client ran before the load.
    """

    members: int
    round: float
    turn: float
    turn_cpu: float
    gc: float
    turns: int
    late: int
    echoes: int
    p50: float
    p99: float
    first: bool


@dataclass(frozen=True)
class Slow:
    """A room of *readers* and one member who never reads, whose messages meet *policy*.

    ``p50`` and ``p99`` are seconds until all readers have `IN_FLIGHT` messages, ``*_without`` the
    same without the one. ``memory`` is the most that the server grew by, in bytes.
    """

    policy: str
    readers: int
    published: int
    dropped: int
    received: int
    p50: float
    p50_without: float
    p99: float
    p99_without: float
    memory: int


def beside(members: int, seconds: float) -> Beside:
    """Publish to *members* for *seconds*, once to watch the loop, once to echo beside it."""
    load = Fan(members, 100)
    with serving("wscore crowd, close") as server, Aside(server.port) as aside:
        watched: dict[str, Any] = {}
        with _under_load(server, load, seconds) as running:
            _await_publish(aside, running)
            aside.ask("watch")  # from now on: the handshakes are over
            while not running.done() and (found := _stats(aside))["members"] == members:
                watched = found
                sleep(POLL)
        report = running.result()
        aside.ask("ignore")
        echoes: list[float] = []
        with _under_load(server, load, seconds) as running:
            _await_publish(aside, running)
            with undisturbed() as first:
                while not running.done():
                    echoes.append(aside.echo("echo"))
                    sleep(PAUSE)
        running.result()
    return Beside(
        members,
        report.figures.seconds * members,
        watched["longest"],
        watched["longest_cpu"],
        watched["longest_gc"],
        watched["turns"],
        watched["late"],
        len(echoes),
        _quantile(echoes, 0.5),
        _quantile(echoes, 0.99),
        first,
    )


def slow(policy: str, messages: int) -> Slow:
    """Publish *messages* beside a member who never reads; a tenth of them before, without it."""
    load, rounds = Fan(READERS, MESSAGE, IN_FLIGHT), max(1, messages // IN_FLIGHT)
    with serving(f"wscore crowd, {policy}") as server, Aside(server.port) as aside:
        without = fan(load, server.port, server.pid, BRIEFLY, Stuck(0, max(1, rounds // 10)))
        _await_nobody(aside)
        before = most = server.resident()
        with _under_load(server, load, BRIEFLY, Stuck(1, rounds)) as running:
            while not running.done():
                most = max(most, server.resident())
                sleep(POLL)
        report = running.result()
        dropped = int(_stats(aside)["dropped"])
    return Slow(
        policy,
        READERS,
        report.published,
        dropped,
        report.stuck[0],
        report.figures.p50,
        without.figures.p50,
        report.figures.p99,
        without.figures.p99,
        most - before,
    )


@contextmanager
def _under_load(
    server: Server, load: Fan, seconds: float, stuck: Stuck = NOBODY
) -> Iterator[Future[Report]]:
    """Have the load run beside the context, which ends when the load does."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(fan, load, server.port, server.pid, seconds, stuck)


def _stats(aside: Aside) -> dict[str, Any]:
    stats: dict[str, Any] = json.loads(aside.ask("stats"))
    return stats


def _await_publish(aside: Aside, running: Future[Report]) -> None:
    before = _stats(aside)["publishes"]
    while not running.done() and _stats(aside)["publishes"] == before:
        sleep(POLL)


def _await_nobody(aside: Aside) -> None:
    while _stats(aside)["members"]:
        sleep(POLL)


def _quantile(latencies: list[float], share: float) -> float:
    if not latencies:
        raise Refused("no echo came while the room was published to")
    return sorted(latencies)[int(len(latencies) * share)]


def most_members() -> int:
    """As many as the descriptors of one process allow, up to `MOST_MEMBERS`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_MEMBERS, most - SPARE)


def table(found: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    large, lines = found["beside"], []
    lines += [
        "| a room of many | goal | found |",
        "|---|---|---|",
        f"| members, each of whom gets every message | {MOST_MEMBERS:,} | {large['members']:,} |",
        f"| a message to all of them | | {duration(large['round'])} |",
        f"| longest turn of the event loop | {duration(TURN)} | {duration(large['turn'])} "
        f"({duration(large['turn_cpu'])} of CPU time) |",
        f"| turns that took more CPU time | 0 of {large['turns']:,} | {large['late']:,} |",
        f"| longest run of the garbage collector | | {duration(large['gc'])} of CPU time |",
        f"| echo beside it, p50 | | {duration(large['p50'])} |",
        f"| echo beside it, p99 of {large['echoes']:,} | {duration(ECHO)} "
        f"| {duration(large['p99'])} |",
        "",
        f"| one never reads, {READERS} do | messages | dropped | received at last | all accounted "
        f"for | p50 of {IN_FLIGHT} messages | p99 | without the one | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["slow"]:
        exact = row["dropped"] + row["received"] == row["published"]
        lines.append(
            f"| `{row['policy']}` | {row['published']:,} | {row['dropped']:,} "
            f"| {row['received']:,} | {'yes' if exact else 'NO'} | {duration(row['p50'])} "
            f"| {duration(row['p99'])} | {duration(row['p50_without'])}, "
            f"{duration(row['p99_without'])} | {row['memory'] / MIB:.1f} MiB |"
        )
    return "\n".join(lines)


def measure(members: int, seconds: float, messages: int) -> dict[str, Any]:
    """All figures: publishing to *members* for *seconds*, and *messages* beside a slow one."""
    large = beside(members, seconds)
    return {
        "beside": asdict(large),
        "slow": [asdict(slow(policy, messages)) for policy in POLICIES],
    }


def faults(found: Mapping[str, Any]) -> list[str]:
    """Goals that were missed, and messages that are not accounted for."""
    large = found["beside"]
    return [
        *(["a turn of the event loop is too long"] if large["turn_cpu"] > TURN else []),
        *(["the echo beside is too late"] if large["p99"] > ECHO else []),
        *(
            f"{row['policy']}: not every message is accounted for"
            for row in found["slow"]
            if row["dropped"] + row["received"] != row["published"]
        ),
    ]
