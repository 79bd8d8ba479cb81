"""``python -m bench.nodes [row ...]``: hubs of many nodes, beside redis-py and the hub of one.

A Redis server of its own shares a core with the load; the node that is measured has the other.
Contenders take turns in short samples. Everything goes into one JSON file, and as a table into a
document. The CPU time of each process is told, because they have two cores together.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from time import perf_counter, process_time
from typing import Any, NamedTuple

from wscore.hub.redis.packet import Packet, encode

from . import machine
from .ends import publish, running
from .interleave import Figures, figures_in_turns, reaches
from .load.fan import Fan, fan
from .load.readers import Readers, on_the_loads_core
from .options import parse
from .oracle import frame
from .pubsub import CHANNEL, PREFIX, RATE, SIZE, remote_packet
from .report import duration, write_json, write_readme
from .servers import MIB, require
from .servers.cores import Role, cpu_time
from .servers.process import serving
from .servers.redis import Redis, redis_server

__all__ = ["ROWS", "Extent", "Row", "main", "measure", "missed", "reached", "summary"]

# By measure: "seconds" for a message, "p50", "p99", and "cpu ..." of each process for a message.
Sampler = Callable[[Redis, "Extent"], Figures]
MEMBERS, IN_FLIGHT, MANY_IN_FLIGHT = 1000, 10, 100
ROOMS = 10_000
READERS, TEXT, MEMBERS_ROOM = 300, "x" * SIZE, "all"


class Extent(NamedTuple):
    """How much is measured: messages that wait in Redis, seconds of all else, rounds."""

    waiting: int = 100_000
    seconds: float = 3.0
    rounds: int = 5


class Goal(NamedTuple):
    """*subject* has to be *ratio* times as fast as *rival* by *measure*."""

    subject: str
    rival: str
    ratio: float
    measure: str = "seconds"


class Row(NamedTuple):
    """Something that is measured, of each contender."""

    title: str
    contenders: Mapping[str, Sampler]
    goals: tuple[Goal, ...] = ()
    per: str = "message"


# Samplers


def out_of_redis(role: str) -> Sampler:
    """Messages wait in Redis while the subscriber is frozen: then it takes them all."""

    def sample(redis: Redis, extent: Extent) -> Figures:
        count = extent.waiting
        with running(role, redis, count, Role.SERVER) as subscriber:
            os.kill(subscriber.process.pid, signal.SIGSTOP)
            try:
                publish(redis, CHANNEL, map(remote_packet, range(count)))
                broker = cpu_time(redis.pid)
            finally:
                os.kill(subscriber.process.pid, signal.SIGCONT)
            found = subscriber.result()
            broker = cpu_time(redis.pid) - broker
        return {"seconds": found["seconds"], "cpu node": found["cpu"], "cpu redis": broker / count}

    return sample


def latency(name: str) -> Sampler:
    """From the call that publishes to the listener, or to what the member's socket is given."""

    def sample(redis: Redis, extent: Extent) -> Figures:
        count = int(RATE * extent.seconds)
        with (
            running(f"{name}-receiver", redis, count, Role.SERVER) as receiver,
            running(f"{name}-sender", redis, count, Role.LOAD) as sender,
        ):
            broker = cpu_time(redis.pid)
            sent, found = sender.result(), receiver.result()
            broker = (cpu_time(redis.pid) - broker) / count
        return {
            "p50": found["p50"],
            "p99": found["p99"],
            "cpu node": found["cpu"],
            "cpu redis": broker,
            "cpu publisher": sent["cpu"],
        }

    return sample


def fan_out(shared: bool, in_flight: int) -> Sampler:
    """What one says is sent to all members, who are at another node if *shared*."""

    def sample(redis: Redis, extent: Extent) -> Figures:
        load, told = Fan(MEMBERS, SIZE, in_flight), {"BENCH_REDIS": redis.url}
        with ExitStack() as stack:
            mode = "member" if shared else "alone"
            node = stack.enter_context(serving(f"wscore node, {mode}", environment=told))
            entry, others = None, {"redis": redis.pid} if shared else {}
            if shared:
                away = serving("wscore node, entry", role=Role.LOAD, environment=told)
                visited = stack.enter_context(away)
                entry, others["publisher"] = visited.port, visited.pid
            before = {name: cpu_time(pid) for name, pid in others.items()}
            report = fan(load, node.port, node.pid, extent.seconds, entry=entry)
            deliveries = report.published * MEMBERS
            return {
                "seconds": report.figures.seconds,
                "cpu node": report.figures.cpu,
                **{
                    f"cpu {name}": (cpu_time(pid) - before[name]) / deliveries
                    for name, pid in others.items()
                },
                "cpu load": report.figures.load * report.figures.seconds,
            }

    return sample


def to_readers(name: str) -> Sampler:
    """Text of `SIZE` bytes that another node has published goes to `READERS` members."""

    def sample(redis: Redis, extent: Extent) -> Figures:
        is_socketio = name == "python-socketio"
        channel, packet, frames = _socketio_emit() if is_socketio else _text_packet()
        told = {"BENCH_REDIS": redis.url}
        with (
            serving(name, environment=told) as node,
            on_the_loads_core(),
            Readers(READERS, node.port, socketio=is_socketio) as readers,
        ):
            redis.await_subscriber(channel)

            def play() -> None:
                publish(redis, channel, [packet] * IN_FLIGHT)
                readers.read(frames * IN_FLIGHT)

            play()
            start, rounds = perf_counter(), 0
            cpu = {"node": node.cpu_time(), "redis": cpu_time(redis.pid), "load": process_time()}
            while perf_counter() < start + extent.seconds:
                play()
                rounds += 1
            deliveries = rounds * IN_FLIGHT * READERS
            seconds = (perf_counter() - start) / deliveries
            now = {"node": node.cpu_time(), "redis": cpu_time(redis.pid), "load": process_time()}
        return {
            "seconds": seconds,
            **{f"cpu {each}": (now[each] - cpu[each]) / deliveries for each in cpu},
        }

    return sample


def _text_packet() -> tuple[str, bytes, bytes]:
    """A node's channel, what comes in it, and the frame of each member."""
    packet = encode(Packet("message", bytes(16), 1, MEMBERS_ROOM, TEXT))
    return f"{PREFIX}r:{MEMBERS_ROOM}", packet, frame(TEXT.encode())


def _socketio_emit() -> tuple[str, bytes, bytes]:
    """The same of python-socketio."""
    require("python-socketio")
    import socketio

    told: list[Any] = []

    class Manager(socketio.AsyncRedisManager):  # type: ignore[misc]
        async def _publish(self, data: Any) -> None:
            told.append(data)

    manager = Manager(write_only=True)
    asyncio.run(manager.emit("all", TEXT, namespace="/"))
    packet = json.dumps(told[0]).encode()
    return manager.channel, packet, frame(f'42["all","{TEXT}"]'.encode())


def memory(kind: str) -> Sampler:
    """Of a hub with a member in each of `ROOMS` rooms, all subscribed."""

    def sample(redis: Redis, extent: Extent) -> Figures:
        with running(f"rooms-{kind}", redis, ROOMS, Role.SERVER) as node:
            found = node.result()
        return {"bytes": found["bytes"], "cpu node": found["cpu"]}

    return sample


ROWS = {
    "subscriber": Row(
        "messages that wait in Redis, taken by one node",
        {
            "wscore link": out_of_redis("link"),
            "wscore hub with a member": out_of_redis("node"),
            "redis-py": out_of_redis("bare"),
        },
        (
            Goal("wscore link", "redis-py", 10),
            Goal("wscore hub with a member", "redis-py", 1),
        ),
    ),
    "latency": Row(
        f"from node to node at {RATE:,} messages a second",
        {"wscore hub": latency("node"), "redis-py": latency("bare")},
        tuple(Goal("wscore hub", "redis-py", 0.8, measure) for measure in ("p50", "p99")),
    ),
    **{
        name: Row(
            f"{SIZE} B to {MEMBERS:,} members, {in_flight} in flight",
            {
                "wscore nodes": fan_out(True, in_flight),
                "wscore hub alone": fan_out(False, in_flight),
            },
            (Goal("wscore nodes", "wscore hub alone", 0.8),),
            per="delivery",
        )
        for name, in_flight in (("fan-out", IN_FLIGHT), ("fan-out-100", MANY_IN_FLIGHT))
    },
    "socketio": Row(
        f"{SIZE} B of text to {READERS} members, {IN_FLIGHT} in flight",
        {
            "wscore node": to_readers("wscore node, member"),
            "python-socketio": to_readers("python-socketio"),
        },
        (Goal("wscore node", "python-socketio", 10),),
        per="delivery",
    ),
    "memory": Row(
        f"a hub with {ROOMS:,} rooms of one member",
        {
            "wscore hub alone": memory("alone"),
            "wscore node": memory("plain"),
            "wscore node with history": memory("history"),
        },
        per="room",
    ),
}


# Measuring


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a goal was missed, else 0."""
    options = parse(argv, "nodes", "Measure hubs of many nodes.", ROWS, **Extent._field_defaults)
    extent = Extent(options.waiting, options.seconds, options.rounds)
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "extent": extent._asdict(),
        "goals": {name: [goal._asdict() for goal in row.goals] for name, row in ROWS.items()},
    }
    with redis_server() as redis:
        document["redis"] = redis.version
        document["rows"] = rows = {}
        for name in options.rows or ROWS:
            print(name, file=sys.stderr)
            rows[name] = measure(ROWS[name], redis, extent)
            if options.json:
                write_json(options.json, document)
    print(summary(document), *missed(document), sep="\n")
    if options.document:
        write_readme(options.document, summary(document))
    return int(bool(missed(document)))


def measure(row: Row, redis: Redis, extent: Extent) -> dict[str, Any]:
    """All contenders in turns; see `figures_in_turns`."""
    samplers = {name: partial(each, redis, extent) for name, each in row.contenders.items()}
    return figures_in_turns(samplers, extent.rounds)


# Tables


def goals(document: Mapping[str, Any], row: str) -> Iterable[Goal]:
    """Those of *row* when it was measured; of today where *document* is older than "goals"."""
    if "goals" not in document:
        return ROWS[row].goals
    return [Goal(**goal) for goal in document["goals"].get(row, ())]


def reached(document: Mapping[str, Any]) -> Iterator[tuple[str, Goal, float, float]]:
    """Each goal whose contenders were measured: the row's name, and both figures."""
    for name, found in document["rows"].items():
        medians = found["medians"]
        for goal in goals(document, name):
            if {goal.subject, goal.rival} <= medians.keys():
                yield (
                    name,
                    goal,
                    *(medians[one][goal.measure] for one in (goal.subject, goal.rival)),
                )


def missed(document: Mapping[str, Any]) -> list[str]:
    """Goals that were not reached."""
    return [
        f"SHORT: {ROWS[name].title}: {theirs / ours:.3g}x, not {goal.ratio:g}x ({goal.measure})"
        for name, goal, ours, theirs in reached(document)
        if not reaches(theirs / ours, goal.ratio)
    ]


def summary(document: Mapping[str, Any]) -> str:
    """The goals and the CPU time of all processes in Markdown, from the JSON."""
    heads = "work", "", "against", "its figure", "at least", "reached", "by CPU time of the node"
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, goal, ours, theirs in reached(document):
        row, is_rate = ROWS[name], goal.measure == "seconds"
        told = [f"{1 / each:,.0f}/s" if is_rate else duration(each) for each in (ours, theirs)]
        title = row.title if is_rate else f"{row.title}, {goal.measure}"
        state = "" if reaches(theirs / ours, goal.ratio) else " SHORT"
        by_cpu = _by_cpu(document["rows"][name]["medians"], goal) if is_rate else ""
        lines.append(
            f"| {title}: {goal.subject} | {told[0]} | {goal.rival} | {told[1]} | {goal.ratio:g}x "
            f"| {theirs / ours:.3g}x{state} | {by_cpu} |"
        )
    lines += _memory(document["rows"].get("memory"))
    lines += ["", "| CPU time of | for a | node | Redis | publisher | load |"]
    lines.append("|---|---|---|---|---|---|")
    for name, found in document["rows"].items():
        for contender, medians in found["medians"].items():
            lines.append(
                f"| {contender}, {name} | {ROWS[name].per} | {' | '.join(_cpu(medians))} |"
            )
    return "\n".join([*lines, "", _provenance(document)])


def _memory(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    head = ["", f"| memory of {ROWS['memory'].title} | for each | all |", "|---|---|---|"]
    return head + [
        f"| {name} | {row['bytes']:,.0f} B | {row['bytes'] * ROOMS / MIB:.1f} MiB |"
        for name, row in found["medians"].items()
    ]


def _by_cpu(medians: Mapping[str, Figures], goal: Goal) -> str:
    ours, theirs = (medians[one]["cpu node"] for one in (goal.subject, goal.rival))
    return f"{theirs / ours:.3g}x"


def _cpu(medians: Figures) -> Iterator[str]:
    for process in ("node", "redis", "publisher", "load"):
        seconds = medians.get(f"cpu {process}")
        yield "" if seconds is None else duration(seconds)


def _provenance(document: Mapping[str, Any]) -> str:
    made_on = document["machine"]
    return (
        f"{made_on['cpu']}, {made_on['cores']} cores, {made_on['system']}, {made_on['python']}; "
        f"Redis {document['redis']}. The node has a core, everything else the other; medians of "
        f"{document['extent']['rounds']} interleaved rounds, {made_on['when'][:10]}."
    )


if __name__ == "__main__":
    sys.exit(main())
