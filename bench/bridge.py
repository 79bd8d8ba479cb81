"""``python -m bench.bridge [row ...]``: `wscore bridge` beside websockify, on the same work.

Each bridge is a process of its own on one core; this process, on the other, is client and target.
Contenders take turns in short samples. The CPU time of each process is told, because it is what
other work on the machine disturbs least.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import quantiles
from time import monotonic, sleep
from typing import Any, NamedTuple

from . import machine
from .contract import Refused
from .interleave import Figures, figures_in_turns, reaches
from .load.bridging import HERE, Ends, Flow, both_ways, down, round_trips, up
from .load.readers import on_the_loads_core
from .options import parse
from .report import duration, write_json, write_readme
from .servers import MIB, ROOT, require
from .servers.cores import Role, cpu_time, pinned
from .servers.process import reserved_port

__all__ = ["CONTENDERS", "ROUNDS", "ROWS", "SECONDS", "bridging", "main", "measure", "missed",
           "reached", "sample", "summary"]  # fmt: skip

KIB = 1024
ROUNDS, SECONDS = 5, 2.0
STARTING = 15.0  # seconds until a bridge listens
US = "wscore bridge"
RIVAL = "websockify"

# Figures are "rate", bytes in a second; "p50" and "p99", seconds; "cpu bridge" and "cpu load".


class Row(NamedTuple):
    """Something that is measured, and how many times as good ours has to be."""

    title: str
    chunk: int
    load: Callable[[Ends, int, float], Flow] | None
    goal: float | None

    @property
    def measures(self) -> tuple[str, ...]:
        """What the goal is about."""
        return ("rate",) if self.load is not None else ("p50", "p99")


ROWS = {
    "large": Row("64 KiB messages, to the target and back", 64 * KIB, both_ways, 3),
    "large-up": Row("64 KiB messages, to the target", 64 * KIB, up, 3),
    "large-down": Row("64 KiB at a time, to the client", 64 * KIB, down, None),
    "small": Row("64 B messages, to the target and back", 64, both_ways, 8),
    "small-up": Row("64 B messages, to the target", 64, up, 8),
    "small-down": Row("64 B at a time, to the client", 64, down, None),
    "latency": Row("64 B there and back, one at a time", 64, None, 1),
}

CONTENDERS: dict[str, Callable[[int, int], list[str]]] = {
    US: lambda port, target: _wscore(port, target, "uvloop"),
    f"{US}, asyncio": lambda port, target: _wscore(port, target, "asyncio"),
    RIVAL: lambda port, target: [
        sys.executable, "-m", "websockify", f"{HERE}:{port}", f"{HERE}:{target}",
    ],
}  # fmt: skip


def _wscore(port: int, target: int, loop: str) -> list[str]:
    listen = ["--listen", f"{HERE}:{port}", "--to", f"{HERE}:{target}", "--loop", loop]
    return [sys.executable, "-m", "wscore", "bridge", *listen]


# The processes -----------------------------------------------------------------------------------


class Bridging(NamedTuple):
    """A bridge that runs, and the socket of its target."""

    port: int
    pid: int
    listening: socket.socket

    def cpu_times(self) -> dict[int, float]:
        """CPU seconds of the process and of each below it: websockify starts one a connection."""
        taken = {}
        for pid in _with_those_below(self.pid):
            with suppress(OSError):
                taken[pid] = cpu_time(pid)
        return taken

    def cpu_since(self, before: dict[int, float]) -> float:
        """CPU seconds since *before*, but for those that have ended: the first try to connect."""
        return sum(taken - before.get(pid, 0) for pid, taken in self.cpu_times().items())


def _with_those_below(pid: int) -> Iterator[int]:
    """*pid*, and what it has started, itself or, with Python 3.14, by a process for that."""
    yield pid
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_those_below(int(child))


@contextmanager
def bridging(name: str) -> Iterator[Bridging]:
    """Run the contender called *name* on its core. Raises Missing, Refused."""
    if name == RIVAL:
        require("websockify")
        require("numpy")  # without it, it unmasks byte by byte
    with socket.create_server((HERE, 0)) as listening, reserved_port() as port:
        target = listening.getsockname()[1]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(
            CONTENDERS[name](port, target), cwd=ROOT, preexec_fn=pinned(Role.SERVER), **quiet
        ) as process:
            try:
                _wait_until_listening(process, port)
                yield Bridging(port, process.pid, listening)
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                process.kill()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = monotonic() + STARTING
    while monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((HERE, port), 1):
            return
        sleep(0.05)
    raise Refused("the bridge does not listen")


# Measuring ---------------------------------------------------------------------------------------


def sample(row: Row, name: str, seconds: float) -> Figures:
    """One sample, by a bridge that is new. Raises Missing, Refused."""
    with bridging(name) as bridge, on_the_loads_core(), Ends(bridge.port, bridge.listening) as ends:
        if row.load is None:
            round_trips(ends, row.chunk, seconds / 5)  # to warm up
            before = bridge.cpu_times()
            taken = round_trips(ends, row.chunk, seconds)
            percent = quantiles(taken, n=100)
            cpu = bridge.cpu_since(before)
            return {"p50": percent[49], "p99": percent[98], "cpu bridge": cpu / len(taken)}
        before = bridge.cpu_times()
        flow = row.load(ends, row.chunk, seconds)
        cpu = bridge.cpu_since(before)
        return {
            "rate": flow.nbytes / flow.seconds,
            "cpu bridge": cpu / flow.nbytes * MIB,
            "cpu load": flow.load / flow.nbytes * MIB,
        }


def _version() -> str | None:
    try:
        return version(RIVAL)
    except PackageNotFoundError:
        return None


def measure(row: Row, seconds: float, rounds: int) -> dict[str, Any]:
    """All contenders in turns; see `figures_in_turns`."""
    samplers = {name: partial(sample, row, name, seconds) for name in CONTENDERS}
    return figures_in_turns(samplers, rounds)


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a goal was missed, else 0."""
    options = parse(
        argv,
        "bridge",
        "Measure wscore bridge beside websockify.",
        ROWS,
        seconds=SECONDS,
        rounds=ROUNDS,
    )
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "goals": {name: row.goal for name, row in ROWS.items()},
        "websockify": _version(),
        "rows": {},
    }
    for name in options.rows or ROWS:
        print(name, file=sys.stderr)
        document["rows"][name] = measure(ROWS[name], options.seconds, options.rounds)
        if options.json:
            write_json(options.json, document)
    print(summary(document), *missed(document), sep="\n")
    if options.document:
        write_readme(options.document, summary(document))
    return int(bool(missed(document)))


# Tables ------------------------------------------------------------------------------------------


def _ratio(measure: str, ours: Figures, theirs: Figures) -> float:
    """How many times as good ours are."""
    good, other = ours[measure], theirs[measure]
    return good / other if measure == "rate" else other / good


def goal(document: Mapping[str, Any], row: str) -> float | None:
    """That of *row* when it was measured; of today where *document* is older than "goals"."""
    least: float | None = document["goals"].get(row) if "goals" in document else ROWS[row].goal
    return least


def reached(document: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """Each row and measure that has a goal and was measured: also the goal, and the ratio."""
    for name, found in document["rows"].items():
        medians, least = found["medians"], goal(document, name)
        if least is not None and {US, RIVAL} <= medians.keys():
            for measure in ROWS[name].measures:
                yield name, measure, least, _ratio(measure, medians[US], medians[RIVAL])


def missed(document: Mapping[str, Any]) -> list[str]:
    """Goals that were not reached."""
    return [
        f"SHORT: {ROWS[name].title}: {ratio:.3g}x, not {least:g}x ({measure})"
        for name, measure, least, ratio in reached(document)
        if not reaches(ratio, least)
    ]


def summary(document: Mapping[str, Any]) -> str:
    """All figures in Markdown, from the JSON."""
    lines = [
        "| work | bridge | | against websockify | at least | by CPU time | CPU of the bridge "
        "| of the load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in document["rows"].items():
        row, medians = ROWS[name], found["medians"]
        per = "a round trip" if row.load is None else "a MiB"
        for contender, figures in medians.items():
            told = [_told(each, figures[each]) for each in row.measures]
            ratios = wanted = by_cpu = ""
            if contender != RIVAL and RIVAL in medians:
                theirs = medians[RIVAL]
                ratios = ", ".join(f"{_ratio(each, figures, theirs):.3g}x" for each in row.measures)
                by_cpu = f"{_ratio('cpu bridge', figures, theirs):.3g}x"
                least = goal(document, name)
                wanted = f"{least:g}x" if least and contender == US else ""
            load = figures.get("cpu load")
            lines.append(
                f"| {row.title} | {contender} | {', '.join(told)} | {ratios} | {wanted} | {by_cpu} "
                f"| {duration(figures['cpu bridge'])} {per} "
                f"| {'' if load is None else duration(load)} |"
            )
    return "\n".join([*lines, "", _provenance(document)])


def _told(measure: str, figure: float) -> str:
    return f"{figure / MIB:,.1f} MiB/s" if measure == "rate" else f"{measure} {duration(figure)}"


def _provenance(document: Mapping[str, Any]) -> str:
    made_on = document["machine"]
    rival = document["websockify"]
    told = f"websockify {rival} with numpy" if rival else "websockify is not installed"
    return (
        f"{made_on['cpu']}, {made_on['cores']} cores, {made_on['system']}, {made_on['python']}; "
        f"{told}. The bridge has a core, client and "
        f"target together the other; `wscore bridge` runs on uvloop where nothing else is said. "
        f"Medians of {document['rounds']} interleaved rounds, {made_on['when'][:10]}."
    )


if __name__ == "__main__":
    sys.exit(main())
