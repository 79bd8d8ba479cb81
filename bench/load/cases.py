"""Which load the contenders get, and what wscore has to reach beside which of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..clients import CLIENTS
from ..servers import BARE, MIB, PLAIN, ROOMS, SERVERS, Deflate, Setting
from . import Echo, Stream, Talk
from .churn import Churn
from .fan import Fan

__all__ = ["Case", "Goal", "Handshakes", "Limit", "cases", "select"]

KIB = 1 << 10
CONNECTIONS = {64: 16, 4 * KIB: 16, 64 * KIB: 4, MIB: 4}  # for each size of a message
NAMES = {64: "64B", 4 * KIB: "4KiB", 64 * KIB: "64KiB", MIB: "1MiB"}

LISTENER, COROUTINE = "wscore Listener", "wscore coroutine"
ON_ASYNCIO, PURE = "wscore Listener, asyncio", "wscore coroutine, pure"
# Compared where the cost of a message is nearly all there is.
SMALL_ONLY = (ON_ASYNCIO, "picows core, asyncio", PURE, "websockets, pure")
HEARTBEATS = {LISTENER: "wscore Listener, heartbeat", COROUTINE: "wscore coroutine, heartbeat"}


@dataclass(frozen=True)
class Goal:
    """*subject* is to be *ratio* times as fast as *rival*; without a ratio, to be told.

    With another *measure* than time its figure is to be that many times less.
    """

    subject: str
    rival: str
    ratio: float | None = None
    measure: str = "seconds"


@dataclass(frozen=True)
class Limit:
    """The *measure* of *subject* is to be *most*: ``bytes`` for a connection, or ``p99``."""

    subject: str
    most: float
    measure: str = "bytes"


@dataclass(frozen=True)
class Handshakes:
    """*count* connections, and the message that each has echoed; None for 20 B of text."""

    talk: Talk | None = None
    count: int = 1000


@dataclass(frozen=True)
class Case:
    """A *load* for *contenders* that serve as *setting* says; None for the clients' round trips.

    A sample lasts *seconds* at least, and there are *most_rounds* of them.
    """

    name: str
    contenders: tuple[str, ...]
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    load: Echo | Fan | Handshakes | Churn | Stream | None = None
    setting: Setting = PLAIN
    seconds: float = 0.0
    most_rounds: int | None = None


# By size of a message and messages in flight. Other echo cases are told, not judged.
ECHO_GOALS = {
    (64, 1): (
        Goal(LISTENER, "picows core", 1.05),
        Goal(COROUTINE, "picows.websockets", 1.0),
        Goal(COROUTINE, "websockets", 2.0),
        Goal(PURE, "websockets, pure", 1.0),
        Goal(ON_ASYNCIO, "picows core, asyncio", 1.0),
        *(Goal(name, bare, 0.9) for name in (LISTENER, ON_ASYNCIO) for bare in BARE),
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


# The level and memory of websockets, which others can be told; and aiohttp's, which cannot be told
# another. The window is websockets' default as well.
LEVEL_6, LEVEL_1 = Deflate(level=6, mem_level=5, window=12), Deflate(1, 8, 12)
# picows.websockets accepts an offer that bounds its window, and does not bound it: told in memory.
DEFLATING_ROOMS = ("websockets broadcast", "Node ws loop")
COMPRESSING = (LISTENER, COROUTINE, "websockets", "tornado", "Node ws")
DEFLATING = (
    Case(
        "deflate-4KiB-json-level6",
        COMPRESSING,
        (
            Goal(COROUTINE, "websockets", 1.3),
            Goal(LISTENER, "websockets", 1.3),
            Goal(COROUTINE, "tornado"),
            Goal(COROUTINE, "Node ws"),
        ),
        load=Stream(16, 64, 4 * KIB, LEVEL_6),
        setting=Setting(LEVEL_6),
    ),
    Case(
        "deflate-4KiB-json-level1",
        (*COMPRESSING, "aiohttp"),
        (
            Goal(COROUTINE, "aiohttp", 1.1),
            Goal(LISTENER, "aiohttp", 1.1),
            Goal(COROUTINE, "websockets"),
        ),
        load=Stream(16, 64, 4 * KIB, LEVEL_1),
        setting=Setting(LEVEL_1),
    ),
    Case(
        "deflate-latency",
        COMPRESSING,
        (Goal(COROUTINE, "websockets"),),
        (Limit(COROUTINE, 0.005, "p99"), Limit(LISTENER, 0.005, "p99")),
        load=Stream(1, 1, 16 * MIB, LEVEL_6, pulse=0.002),
        setting=Setting(LEVEL_6, max_size=16 * MIB),
        seconds=3.0,  # several large messages for each contender
    ),
)
BY_DEFAULT = Setting(Deflate())
BROWSED = (LISTENER, COROUTINE, "websockets", "aiohttp", "picows.websockets", "tornado", "Node ws")
SMALL_MEMORY = (Limit(LISTENER, 8 * KIB), Limit(COROUTINE, 8 * KIB))
DEFLATE_CONNECTIONS = (
    Case(
        "deflate-connections-20B",
        BROWSED,
        (Goal(COROUTINE, "websockets", 2.0), Goal(LISTENER, "websockets", 2.0)),
        SMALL_MEMORY,
        load=Handshakes(Talk(20, compressed=False)),
        setting=BY_DEFAULT,
    ),
    Case(
        "deflate-connections-20B-compressed",
        BROWSED,
        (Goal(COROUTINE, "websockets", measure="bytes"),),
        load=Handshakes(Talk(20, compressed=True)),
        setting=BY_DEFAULT,
    ),
    Case(
        "deflate-connections-4KiB",
        BROWSED,
        (
            Goal(COROUTINE, "websockets", 1.0, "bytes"),
            Goal(LISTENER, "websockets", 1.0, "bytes"),
        ),
        load=Handshakes(Talk(4 * KIB, compressed=True, echo_compressed=True)),
        setting=BY_DEFAULT,
    ),
)
# Small messages stay plain, but every read has to be looked at for encoded ones. Other libraries
# compress messages of any size, so these are told beside each other only.
AGREED = tuple(
    Case(
        f"deflate-agreed-64B-{in_flight}",
        (LISTENER, COROUTINE),
        (Goal(COROUTINE, LISTENER),),
        load=Echo(16, in_flight, 64, "text", offer="permessage-deflate"),
        setting=BY_DEFAULT,
    )
    for in_flight in (1, 32)
)
BEATING = tuple(
    Case(
        f"heartbeat-64B-{in_flight}",
        (*HEARTBEATS, *HEARTBEATS.values()),
        tuple(Goal(beating, silent, 0.98) for silent, beating in HEARTBEATS.items()),
        load=Echo(16, in_flight, 64, "text"),
    )
    for in_flight in (1, 32)
)

# One message to many. Each publisher's next messages wait for the last of those before.
HUB, PUBLISH = "wscore Hub", "socketify publish"
FANNING = (
    Case(
        "broadcast-all-100",
        tuple(ROOMS),
        (
            Goal(HUB, PUBLISH, 12.0),
            Goal(HUB, f"{PUBLISH}, no asyncio", 12.0),
            Goal(HUB, "websockets broadcast", 40.0),
            Goal(HUB, "picows loop", 30.0),
            Goal(HUB, "wscore.broadcast"),
            Goal(HUB, "wscore write loop"),
        ),
        load=Fan(100, 20, everybody=True),
    ),
    Case(
        "broadcast-one-1000",
        tuple(ROOMS),
        (
            Goal(HUB, PUBLISH, 1.0),
            Goal(HUB, f"{PUBLISH}, no asyncio", 1.0),
            Goal(HUB, "websockets broadcast", 12.0),
            Goal(HUB, "picows loop"),
            Goal(HUB, "wscore.broadcast"),
            Goal(HUB, "wscore write loop"),
        ),
        load=Fan(1000, 100, in_flight=10),
    ),
    Case(
        "broadcast-deflate-1000",
        (HUB, f"{HUB}, pure", "wscore.broadcast", "wscore write loop", *DEFLATING_ROOMS),
        (Goal(HUB, "websockets broadcast", 10.0), Goal(HUB, "wscore write loop")),
        load=Fan(1000, KIB, in_flight=10, deflate=LEVEL_6),
        setting=Setting(LEVEL_6),
    ),
    # A connection that is alone in its room: 1.1 times the latency of `write` at most.
    Case(
        "broadcast-lone-20B",
        (HUB, LISTENER, f"{HUB}, asyncio", ON_ASYNCIO),
        (
            Goal(HUB, LISTENER, 0.91),
            Goal(HUB, LISTENER, 0.91, "p50"),
            Goal(f"{HUB}, asyncio", ON_ASYNCIO, 0.91),
        ),
        load=Echo(1, 1, 20, "binary"),
    ),
)


def cases() -> list[Case]:
    """All cases, in the order in which they are run."""
    everybody = tuple(name for name in SERVERS if name not in HEARTBEATS.values())
    most = tuple(name for name in everybody if name not in SMALL_ONLY)
    echoes = [
        Case(
            f"echo-{NAMES[size]}-{in_flight}-{kind}",
            (*everybody, *BARE) if size == 64 else most,
            ECHO_GOALS.get((size, in_flight), TOLD),
            load=Echo(connections, in_flight, size, kind),
        )
        for size, connections in CONNECTIONS.items()
        for in_flight in (1, 32)
        for kind in ("text", "binary")
    ]
    connections = Case("connections", most, HANDSHAKES, MEMORY, load=Handshakes())
    return [
        *echoes,
        CLIENT,
        connections,
        *DEFLATING,
        *DEFLATE_CONNECTIONS,
        *AGREED,
        *BEATING,
        *FANNING,
    ]


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
