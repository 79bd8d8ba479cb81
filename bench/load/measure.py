"""Runs a case: all contenders in turns, round after round, so that a slow minute slows all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Any

from ..clients import CLIENTS, round_trips
from ..contract import Missing, Refused
from ..interleave import Pace, Ratio, compare
from ..servers.process import Server, serving
from . import Connections, Echo, Stream, echo, stream
from .cases import Case, Goal, Handshakes
from .churn import Churn, churn
from .fan import Fan, fan

__all__ = ["Result", "Sampler", "run", "sample"]

CLIENTS_SERVERS = ("socketify, no asyncio", "wscore Listener")  # the first that starts: the fastest

# By measure: "seconds" for a message, round trip or handshake, "cpu" seconds, "bytes", ...
Figures = dict[str, float]
Sampler = Callable[[], Figures]


@dataclass
class Result:
    """By contender and measure a figure for each round; who could not be timed, and why."""

    case: Case
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def median(self, contender: str, measure: str = "seconds") -> float:
        return median(self.figures[contender][measure])

    def ratio(self, goal: Goal, measure: str | None = None) -> Ratio | None:
        """How many times better the subject is, by the goal's *measure* or another.

        None when one of the two was not timed.
        """
        measure = measure or goal.measure
        if not {goal.subject, goal.rival} <= self.figures.keys():
            return None
        return compare(self.figures[goal.subject][measure], self.figures[goal.rival][measure])

    def without(self, contender: str, error: Missing | Refused) -> None:
        """Leave *contender* out because of *error*."""
        absent = self.missing if isinstance(error, Missing) else self.refused
        absent[contender] = str(error)
        self.figures.pop(contender, None)

    def as_json(self) -> dict[str, Any]:
        medians = {
            name: {measure: median(taken) for measure, taken in measures.items()}
            for name, measures in self.figures.items()
        }
        return {"medians": medians, **asdict(self)}


def run(case: Case, pace: Pace) -> Result:
    """Measure *case*: one sample of every contender in each round, in an order that turns."""
    result = Result(case)
    with ExitStack() as servers:
        samplers = _samplers(case, pace, servers, result)
        order = list(samplers)
        for _ in range(min(pace.rounds, case.most_rounds or pace.rounds)):
            for name in order:
                if name not in result.missing | result.refused:
                    sample(name, samplers[name], result)
            order.reverse()
    return result


def sample(name: str, sampler: Sampler, result: Result) -> None:
    """Add to *result* one sample of the contender called *name*, or why there is none."""
    try:
        figures = sampler()
    except (Missing, Refused) as error:
        result.without(name, error)
        return
    measures = result.figures.setdefault(name, {})
    for measure, figure in figures.items():
        measures.setdefault(measure, []).append(figure)


def _samplers(case: Case, pace: Pace, servers: ExitStack, result: Result) -> dict[str, Sampler]:
    seconds = max(pace.seconds, case.seconds)
    if isinstance(case.load, Handshakes):
        return {name: partial(_handshakes, name, case.load, result) for name in case.contenders}
    if case.load is None:
        server = _first(CLIENTS_SERVERS, servers, result)
        return {name: partial(_round_trips, name, server, seconds) for name in CLIENTS}
    started = _start(case.contenders, servers, result)
    return {server.name: partial(_loaded, case.load, server, seconds) for server in started}


def _start(names: Iterable[str], servers: ExitStack, result: Result) -> list[Server]:
    started = []
    for name in names:
        try:
            started.append(servers.enter_context(serving(name, result.case.setting)))
            started[-1].freeze()
        except (Missing, Refused) as error:
            result.without(name, error)
        else:
            result.facts[name] = started[-1].facts
    return started


def _first(names: Iterable[str], servers: ExitStack, result: Result) -> Server:
    for name in names:
        for server in _start([name], servers, result):
            return server
    raise SystemExit(f"no server for the clients: {result.missing | result.refused}")


def _loaded(load: Echo | Fan | Churn | Stream, server: Server, seconds: float) -> Figures:
    with server.awake():
        if isinstance(load, Echo):
            return asdict(echo(load, server.port, server.pid, seconds))
        if isinstance(load, Churn):
            return asdict(churn(load, server.port, server.pid))
        if isinstance(load, Fan):
            report = fan(load, server.port, server.pid, seconds)
            server.facts["agreed"] = report.agreed
            return asdict(report.figures)
        figures, server.facts["agreed"] = stream(load, server.port, server.pid, seconds)
        return asdict(figures)


def _round_trips(name: str, server: Server, seconds: float) -> Figures:
    with server.awake():
        return asdict(round_trips(name, server, seconds))


def _handshakes(name: str, load: Handshakes, result: Result) -> Figures:
    """By a server that is new: memory that was used once is not given back."""
    with (
        serving(name, result.case.setting) as server,
        Connections(server.port, load.count, load.talk) as connections,
    ):
        result.facts[name] = {**server.facts, "agreed": connections.warm()}
        before, cpu = server.resident(), server.cpu_time()
        seconds = connections.open()
        cpu = server.cpu_time() - cpu
        connections.talk()
        return {
            "seconds": seconds,
            "cpu": cpu / load.count,
            "bytes": (server.resident() - before) / load.count,
        }
