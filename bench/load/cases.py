"""Which load the contenders get, and what wscore has to reach beside which of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..clients import CLIENTS
from ..servers import SERVERS
from . import Echo

__all__ = ["Case", "Goal", "Limit", "cases", "select"]

KIB, MIB = 1 << 10, 1 << 20
CONNECTIONS = {64: 16, 4 * KIB: 16, 64 * KIB: 4, MIB: 4}  # for each size of a message
NAMES = {64: "64B", 4 * KIB: "4KiB", 64 * KIB: "64KiB", MIB: "1MiB"}

LISTENER, COROUTINE = "wscore Listener", "wscore coroutine"
ON_ASYNCIO, PURE = "wscore Listener, asyncio", "wscore coroutine, pure"
# Compared where the cost of a message is nearly all there is.
SMALL_ONLY = (ON_ASYNCIO, "picows core, asyncio", PURE, "websockets, pure")


@dataclass(frozen=True)
class Goal:
    """*subject* is to be *ratio* times as fast as *rival*; without a ratio, to be told."""

    subject: str
    rival: str
    ratio: float | None = None


@dataclass(frozen=True)
class Limit:
    """A connection of *subject* is to take *most* bytes or fewer."""

    subject: str
    most: int


@dataclass(frozen=True)
class Case:
    """A load for *contenders*: an `Echo`, or what the name says."""

    name: str
    contenders: tuple[str, ...]
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    echo: Echo | None = None


# By size of a message and messages in flight. Other echo cases are told, not judged.
ECHO_GOALS = {
    (64, 1): (
        Goal(LISTENER, "picows core", 1.05),
        Goal(COROUTINE, "picows.websockets", 1.0),
        Goal(COROUTINE, "websockets", 2.0),
        Goal(PURE, "websockets, pure", 1.0),
        Goal(ON_ASYNCIO, "picows core, asyncio", 1.0),
    ),
    (64, 32): (
        Goal(LISTENER, "picows core", 12.0),
        Goal(LISTENER, "socketify", 6.0),
        Goal(LISTENER, "socketify, no asyncio"),
        Goal(COROUTINE, "picows.websockets", 7.0),
        Goal(COROUTINE, "websockets", 15.0),
    ),
    (64 * KIB, 1): (Goal(LISTENER, "picows core", 1.15),),
    (MIB, 1): (Goal(LISTENER, "picows core", 1.15),),
}
TOLD = (Goal(LISTENER, "picows core"), Goal(COROUTINE, "picows.websockets"))

CLIENT = Case(
    "client-256B",
    tuple(CLIENTS),
    (
        Goal(COROUTINE, "websockets", 1.45),
        Goal(COROUTINE, "aiohttp", 1.05),
        Goal(COROUTINE, "picows.websockets", 1.0),
        Goal(LISTENER, "picows core", 1.0),
    ),
)
HANDSHAKES = (
    Goal(COROUTINE, "websockets", 2.0),
    Goal(COROUTINE, "picows.websockets", 1.8),
    Goal(LISTENER, "picows core", 1.8),
)
MEMORY = (Limit(LISTENER, 6 * KIB), Limit(COROUTINE, 6 * KIB))


def cases() -> list[Case]:
    """All cases, in the order in which they are run."""
    everybody = tuple(SERVERS)
    most = tuple(name for name in everybody if name not in SMALL_ONLY)
    echoes = [
        Case(
            f"echo-{NAMES[size]}-{in_flight}-{kind}",
            everybody if size == 64 else most,
            ECHO_GOALS.get((size, in_flight), TOLD),
            echo=Echo(connections, in_flight, size, kind),
        )
        for size, connections in CONNECTIONS.items()
        for in_flight in (1, 32)
        for kind in ("text", "binary")
    ]
    return [*echoes, CLIENT, Case("connections", most, HANDSHAKES, MEMORY)]


def select(prefixes: list[str]) -> list[Case]:
    """The cases whose names begin with one of *prefixes*; all without any.

    Raises SystemExit for a prefix that no case has.
    """
    known = cases()
    names = ", ".join(case.name for case in known)
    for prefix in prefixes:
        if not any(case.name.startswith(prefix) for case in known):
            raise SystemExit(f"no case {prefix}: choose from {names}, or the beginning of a name")
    return [case for case in known if case.name.startswith(tuple(prefixes or [""]))]
