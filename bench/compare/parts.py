"""The parts of the comparison: each fills results, and loses none when a contender fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..chromium import missing
from ..contract import Missing, Refused
from ..load.cases import Case
from ..load.measure import Result, Sampler, sample
from ..servers.process import serving
from . import CONTENDERS, browser, recovery
from .load import Figures, Load, measure

__all__ = ["BROWSER_RATES", "PARTS", "QUICK", "RATES", "UPSTREAM", "Scale", "measured", "names"]

RATES = (1, 10, 100)  # messages a second
BROWSER_RATES = (1, 10, 100)
BINARY_RATE = 20
# What a client does to speak: path, messages under way.
UPSTREAM = {"WebSocket": ("/ws", 1), "WebSocket, 32 in flight": ("/ws", 32), "POST": ("/up", 1)}
ATTEMPTS = 2


@dataclass(frozen=True)
class Scale:
    """How much is measured: seconds of a load, messages of one at least, and clients."""

    rounds: int = 3
    seconds: float = 2.0
    messages: int = 5
    size: int = 100
    clients: int = 100
    idle: int = 1000
    binary_size: int = 16384
    binary_clients: int = 20
    speakers: int = 16
    recovering: int = 5
    streams: int = 20
    streams_seconds: float = 6.0

    def seconds_at(self, rate: float) -> float:
        """How long a load of *rate* messages a second lasts."""
        return max(self.seconds, self.messages / rate)


QUICK = Scale(
    rounds=1,
    seconds=0.5,
    messages=1,
    clients=5,
    idle=20,
    binary_clients=3,
    speakers=3,
    recovering=1,
    streams=8,
    streams_seconds=1.5,
)

T = TypeVar("T")


def names(part: str) -> list[str]:
    """The names of the cases of *part*."""
    return {
        "rates": [f"compare-rate-{rate}" for rate in RATES],
        "browser": [
            *(f"compare-browser-{rate}" for rate in BROWSER_RATES),
            "compare-browser-upstream",
            "compare-browser-streams",
            "compare-browser-recovery",
        ],
    }.get(part, [f"compare-{part}"])


def _results(part: str, contenders: tuple[str, ...]) -> list[Result]:
    return [Result(Case(name, contenders, ())) for name in names(part)]


def _sample(name: str, sampler: Sampler, result: Result) -> None:
    """As `sample`, but what fails is tried again, and any error is told instead of raised."""

    def patient() -> Figures:
        for attempt in range(ATTEMPTS):
            try:
                return sampler()
            except Missing:
                raise
            except Exception as error:
                complaint = error
                result.facts.setdefault(name, {})[f"failure {attempt + 1}"] = _told(error)
        raise Refused(_told(complaint)) from complaint

    if name not in result.missing | result.refused:
        sample(name, patient, result)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"


def _with_server(load: Load, result: Result, name: str) -> Sampler:
    def sampler() -> Figures:
        with serving("feed") as server:
            figures = measure(load, server)
            result.facts.setdefault(name, {}).update(server.facts)
        return figures

    return sampler


def rates(scale: Scale) -> Iterator[Result]:
    """Messages to many clients, in rounds."""
    results = _results("rates", tuple(CONTENDERS))
    for _ in range(scale.rounds):
        for rate, result in zip(RATES, results, strict=True):
            for name, path in CONTENDERS.items():
                load = Load("feed", path, scale.clients, scale.seconds_at(rate), rate, scale.size)
                _sample(name, _with_server(load, result, name), result)
    yield from results


def idle(scale: Scale) -> Iterator[Result]:
    """Clients that have nothing to hear."""
    (result,) = _results("idle", tuple(CONTENDERS))
    for name, path in CONTENDERS.items():
        load = Load("idle", path, scale.idle, scale.seconds, size=scale.size)
        _sample(name, _with_server(load, result, name), result)
    yield result


def binary(scale: Scale) -> Iterator[Result]:
    """Bytes, in base64 where only text can be sent."""
    (result,) = _results("binary", tuple(CONTENDERS))
    for name, path in CONTENDERS.items():
        load = Load(
            "feed", path, scale.binary_clients, scale.seconds_at(BINARY_RATE), BINARY_RATE,
            scale.binary_size, binary=True,
        )  # fmt: skip
        for _ in range(scale.rounds):
            _sample(name, _with_server(load, result, name), result)
    yield result


def upstream(scale: Scale) -> Iterator[Result]:
    """Messages from clients to the server."""
    (result,) = _results("upstream", tuple(UPSTREAM))
    for name, (path, in_flight) in UPSTREAM.items():
        load = Load("upstream", path, scale.speakers, scale.seconds / 2, in_flight, scale.size)
        for _ in range(scale.rounds):
            _sample(name, _with_server(load, result, name), result)
    yield result


def recoveries(scale: Scale) -> Iterator[Result]:
    """A server that is killed, with clients of Python."""
    (result,) = _results("recovery", tuple(recovery.WAYS))
    found = _all_at_once(result, lambda: recovery.measure(scale.recovering, scale.seconds / 2))
    for way, clients in found.items():
        result.figures[way] = {
            measure: [figures[measure] for figures in clients] for measure in clients[0]
        }
    yield result


def in_browser(scale: Scale) -> Iterator[Result]:
    """Chromium. Without it, all its results name what is missing."""
    *feeds, upward, streams, killed = _results("browser", tuple(browser.KINDS))
    absent = missing()
    if absent:
        for result in (*feeds, upward, streams, killed):
            result.missing = dict.fromkeys(browser.KINDS, absent)
        yield from (*feeds, upward, streams, killed)
        return
    with browser.driver() as page:
        facts = {"chromium": page.capabilities["browserVersion"]}
        for kind in browser.KINDS:
            for rate, result in zip(BROWSER_RATES, feeds, strict=True):
                seconds = scale.seconds_at(rate)
                _sample(kind, partial(browser.feed, page, kind, rate, seconds), result)
                result.facts.setdefault(kind, {}).update(facts)
            if kind in browser.UPSTREAM:
                _sample(kind, partial(browser.upstream, page, kind, scale.seconds / 2), upward)
            opening = scale.streams, scale.streams_seconds
            _sample(kind, partial(browser.streams, page, kind, *opening), streams)
        yield from (*feeds, upward, streams)
        found = _all_at_once(killed, lambda: browser.recovery(page, scale.seconds / 2))
        for way, figures in found.items():
            killed.figures[way] = {measure: [figure] for measure, figure in figures.items()}
        yield killed


def _all_at_once(result: Result, work: Callable[[], tuple[dict[str, T], float]]) -> dict[str, T]:
    """Try *work* on all contenders; what it returns first, and as a fact what it returns second."""
    for _ in range(ATTEMPTS):
        try:
            found, away = work()
        except Exception as error:
            result.refused = {"all": _told(error)}
        else:
            result.refused = {}
            result.facts["server"] = {"away": f"{away:.2f}"}
            return found
    return {}


def measured(part: str, scale: Scale) -> list[Result]:
    """The results of *part*; what could not even be tried is among them, with the reason."""
    results: list[Result] = []
    try:
        results.extend(PARTS[part](scale))
    except Exception as error:
        have = {result.case.name for result in results}
        for name in names(part):
            if name not in have:
                results.append(Result(Case(name, (), ()), refused={"all": _told(error)}))
    return results


PARTS: dict[str, Callable[[Scale], Iterator[Result]]] = {
    "rates": rates,
    "idle": idle,
    "binary": binary,
    "upstream": upstream,
    "recovery": recoveries,
    "browser": in_browser,
}
