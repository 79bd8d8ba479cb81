"""What was measured: a section of the page for each file of results, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import asgi, bridge, broadcast, end_to_end, tls
from ..__main__ import FULL
from ..compare.parts import Scale
from ..nodes import Extent
from ..samples import Document
from . import tables
from .goals import JUDGES, Target

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True)
class Section:
    """*about* and *method* are for readers; *usual* are the rounds and seconds of a full run.

    *libraries* are distributions that contenders run on and that do not tell their versions
    themselves.
    """

    heading: str
    file: str
    command: str
    usual: tuple[int, float]
    about: str
    method: str
    charts: tuple[str, ...]
    judge: Callable[[Document], Iterable[Target]]
    libraries: tuple[str, ...] = ("uvloop",)
    figures: Callable[[Document], Iterable[tuple[str, str]]] = field(default=tables.figures)


def _pace(told: Any) -> tuple[int, float]:
    return told.rounds, told.seconds


SECTIONS = (
    Section(
        "Servers and clients",
        "end_to_end.json",
        "make bench-end-to-end",
        (end_to_end.ROUNDS, end_to_end.SECONDS),
        "Echo servers at full load, a client's round trips, handshakes, and the memory of idle "
        "connections. The applications are as short as each library "
        "allows. wscore is there as a `Listener` (callbacks), as a coroutine with `recv` and "
        "`send`, on asyncio's event loop, and as the pure-Python twin.",
        "The load is a C program.\n\n"
        "- With 32 messages in flight, a connection writes 32 at once, and the next when all 32 "
        "have come back: the case of a busy peer, in which a server that handles a read as a whole "
        "gains most. Latencies are those of a server at full load, not at a given rate.\n"
        "- The first echoes of each connection are compared byte by byte, later ones by length and "
        "first byte.\n"
        "- All servers are started before a case; those whose turn it is not are stopped "
        "(`SIGSTOP`).\n"
        "- The client's round trips have client and server on one core, so that the CPU time that "
        "a client saves is seen; all clients talk to the same server, the fastest.\n"
        "- Compression and pings are off.\n"
        '- "no asyncio" is socketify on the loop of uWebSockets alone; "pure" is Python without '
        "compiled code.\n"
        '- "bare epoll in C", where it is listed, is no WebSocket library but a loop that checks '
        "nothing: about what the kernel and the load allow.",
        ("echo-small", "echo-latency", "echo-large", "client", "handshakes", "memory"),
        JUDGES["end_to_end"],
        ("uvloop", "aiohttp", "picows", "websockets"),
    ),
    Section(
        "Compression",
        "end_to_end_deflate.json",
        "make bench-deflate",
        (end_to_end.ROUNDS, end_to_end.SECONDS),
        "Echo servers with permessage-deflate: throughput, latency beside large messages, "
        "handshakes and memory.",
        "As above. The load compresses its messages beforehand and inflates the echoes afterwards, "
        "so that no compression is timed but the server's. A run is refused when the load used "
        "more than 80% of its core. All servers compress with the same level, memory and "
        "window, as far as they can be told.",
        ("deflate", "deflate-latency", "deflate-memory", "deflate-handshakes"),
        JUDGES["deflate"],
    ),
    Section(
        "One message to many",
        "broadcast.json",
        "make bench-broadcast",
        (broadcast.ROUNDS, broadcast.SECONDS),
        "Rooms: `wscore.Hub` beside what other libraries have for it, or a loop over all "
        "connections where they have nothing. Also memory and time of memberships, a large room, "
        "and members who do not read.",
        "The load is one C program on its own core with all the members; it checks that each gets "
        "what was sent, and nothing twice. Memory of memberships is that of Python objects "
        "(`tracemalloc`). Of memberships only medians are recorded; the large room and the members "
        "who do not read are measured once.",
        ("broadcast-all", "broadcast"),
        JUDGES["broadcast"],
    ),
    Section(
        "ASGI",
        "asgi.json",
        "make bench-asgi",
        (asgi.ROUNDS, asgi.SECONDS),
        "The same ASGI application under uvicorn with `--ws wscore.asgi:WebSocketProtocol` and "
        "with uvicorn's own classes. Targets are against the best of these. Other servers run the "
        "same application to show where that is; no target is about them.",
        "As for servers and clients. In the two rows about broadcasts, wscore's application uses "
        "`wscore.Hub`, and that of the others the loop over connections that FastAPI's "
        "documentation shows: they compare two ways to write it, not only two servers.",
        ("asgi", "asgi-handshakes", "asgi-memory"),
        JUDGES["asgi"],
        ("uvloop", "fastapi", "starlette", "httptools"),
    ),
    Section(
        "Many nodes",
        "nodes.json",
        "make bench-nodes",
        (Extent().rounds, Extent().seconds),
        "Hubs that meet in Redis, beside redis-py, python-socketio and a hub alone.",
        "The node that is measured has a core. Redis, the node that publishes and the load share "
        "the other, so the latencies include their waiting for each other. CPU time is told for "
        "each process. Subscribers, publishers and readers are Python; the load of the two rows "
        "with 1,000 members is in C.",
        ("nodes", "nodes-latency"),
        JUDGES["nodes"],
        ("uvloop", "redis", "hiredis", "python-socketio"),
    ),
    Section(
        "Bridge",
        "bridge.json",
        "make bench-bridge",
        (bridge.ROUNDS, bridge.SECONDS),
        "`wscore bridge` beside websockify, from WebSocket to TCP and back.",
        "The bridge has a core; client and target are one process of Python on the other. "
        "websockify has numpy, with which it unmasks fastest.",
        ("bridge",),
        JUDGES["bridge"],
        ("uvloop", "websockify", "numpy"),
    ),
    Section(
        "TLS",
        "tls.json",
        "make bench-tls",
        (tls.ROUNDS, tls.SECONDS),
        "wscore's transport for TLS beside that of each event loop, in the same server. All use "
        "OpenSSL.",
        "The server has a core, and the client, which is Python, the other; the client can be the "
        "slower of the two. Therefore the CPU time of the server is compared, not the "
        "throughput.",
        ("tls", "tls-memory"),
        JUDGES["tls"],
    ),
    Section(
        "Kernels",
        "results.json",
        "make bench",
        _pace(FULL),
        "Masking, UTF-8, parsing and writing of frames, called from Python without any I/O.",
        "All in one process; `timeit` calls each library's own function, and what it returns is "
        "checked before. A call has the cost of a call of Python in it. Rows of accelerated "
        "libraries run in processes of their own.",
        ("kernels-mask", "kernels-utf8", "kernels-reader"),
        JUDGES["kernels"],
        (),
        tables.kernels,
    ),
    Section(
        "WebSocket, server-sent events and long polling",
        "compare.json",
        "make compare",
        _pace(Scale()),
        "The same feed by three transports, from one application. The only target is that nothing "
        "is lost. [The comparison](comparison.md) says what follows.",
        "uvicorn with wscore serves all three; the load is Python on the other core, and Chromium "
        "for the rows about browsers, on the core that the load has. Rounds are interleaved where "
        "a rate of messages is given; elsewhere one transport is measured after the other.",
        ("compare-wire", "compare-latency", "compare-cpu", "compare-memory"),
        JUDGES["compare"],
    ),
)
