"""``python -m bench.tls [row ...]``: our transport of TLS beside that of each event loop.

Each server is a process of its own on one core, and echoes by a listener; this process, on the
other, is the client. The two take turns in short samples, and are compared by the CPU time of the
server, which other work on the machine disturbs least.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

from wscore import encode_frame

from . import machine
from .contract import Refused
from .interleave import reaches
from .load.readers import REQUEST, on_the_loads_core
from .options import parse
from .report import duration, write_json, write_readme
from .servers.process import Server, serving

__all__ = ["LOOPS", "ROUNDS", "ROWS", "SECONDS", "Client", "main", "measure", "missed",
           "reached", "summary"]  # fmt: skip

ROUNDS, SECONDS = 9, 0.5
KIB = 1024
PATIENCE = 10.0  # seconds without a byte
MASK = b"\x37\xfa\x21\x3d"
# By the loop: the server that runs on it.
LOOPS = {"asyncio": "wscore Listener, asyncio", "uvloop": "wscore Listener"}
TRANSPORTS = {"ours": "own", "the loop's": "asyncio"}


class Row(NamedTuple):
    """Something that is measured, and how many times as good ours has to be, by the loop."""

    title: str
    size: int
    in_flight: int
    connections: int
    goal: Mapping[str, float]
    records: int = 1  # of TLS, which the messages in flight come in


_MEMORY = "memory of an idle connection"
ROWS = {
    "64B-1": Row("64 B, 1 in flight", 64, 1, 16, {"asyncio": 1.0, "uvloop": 1.0}),
    "64B-32": Row("64 B, 32 in flight", 64, 32, 16, {"asyncio": 1.5, "uvloop": 1.5}),
    "64B-32-records": Row(
        "64 B, 32 in flight, a record each", 64, 32, 16, {"asyncio": 1.0, "uvloop": 1.0}, 32
    ),
    "64KiB-1": Row("64 KiB, 1 in flight", 64 * KIB, 1, 4, {"asyncio": 1.0, "uvloop": 1.0}),
    "memory": Row(_MEMORY, 0, 0, 200, {"asyncio": 1 / 0.15, "uvloop": 1.0}),
}


class Client:
    """A connection to the server at *port*. Raises Refused, OSError."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = context.wrap_socket(plain, server_hostname="localhost")
        self._sock.sendall(REQUEST.format(path="/").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._receive(4096)
        if not head.startswith(b"HTTP/1.1 101"):
            raise Refused(f"the server answered {head[:40]!r}")

    def _receive(self, most: int) -> bytes:
        data = self._sock.recv(most)
        if not data:
            raise Refused("the server has ended the connection")
        return data

    def send(self, parts: Sequence[bytes]) -> None:
        """Write *parts*, each in as few records as it takes, for the peer to read them at once."""
        if len(parts) == 1:
            self._sock.sendall(parts[0])
            return
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for part in parts:
            self._sock.sendall(part)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def await_bytes(self, count: int) -> None:
        """Read *count* bytes, and no more."""
        while count:
            count -= len(self._receive(min(count, 1 << 18)))

    def close(self) -> None:
        """Drop the connection."""
        self._sock.close()


@contextmanager
def certificate() -> Iterator[Path]:
    """A certificate for localhost and its key, in one file."""
    with TemporaryDirectory(prefix="bench-tls-") as folder:
        made, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        made.write_text(made.read_text() + key.read_text())
        yield made


@contextmanager
def servers(loop: str, certified: Path) -> Iterator[dict[str, Server]]:
    """A server for each transport, by its name. Raises Missing, Refused."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                serving(
                    LOOPS[loop],
                    environment={"WSCORE_TRANSPORT": wanted, "BENCH_TLS": str(certified)},
                )
            )
            for name, wanted in TRANSPORTS.items()
        }


def sample(row: Row, server: Server, context: ssl.SSLContext, seconds: float) -> float:
    """CPU seconds for a message, or bytes for a connection."""
    with ExitStack() as stack, on_the_loads_core():
        if not row.size:
            stack.enter_context(_closing(Client(server.port, context)))
            before = server.resident()
        clients = [
            stack.enter_context(_closing(Client(server.port, context)))
            for _ in range(row.connections)
        ]
        if not row.size:
            sleep(0.2)
            return (server.resident() - before) / row.connections
        frame = encode_frame(1, b"a" * row.size, mask=MASK)
        frames = [frame * (row.in_flight // row.records)] * row.records
        echoed = len(encode_frame(1, b"a" * row.size)) * row.in_flight
        _rounds(clients, frames, echoed, seconds / 5)  # to warm up
        cpu = server.cpu_time()
        rounds = _rounds(clients, frames, echoed, seconds)
        return (server.cpu_time() - cpu) / (rounds * row.in_flight * row.connections)


def _rounds(clients: list[Client], frames: Sequence[bytes], echoed: int, seconds: float) -> int:
    count, until = 0, monotonic() + seconds
    while monotonic() < until:
        for client in clients:
            client.send(frames)
        for client in clients:
            client.await_bytes(echoed)
        count += 1
    return count


@contextmanager
def _closing(client: Client) -> Iterator[Client]:
    try:
        yield client
    finally:
        client.close()


def measure(row: Row, loop: str, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Both transports in turns; memory of servers that are new, for they keep what they had."""
    with certificate() as certified:
        context = ssl.create_default_context(cafile=str(certified))
        taken: dict[str, list[float]] = {name: [] for name in TRANSPORTS}
        for _ in range(rounds if not row.size else 1):
            with servers(loop, certified) as started:
                order = list(started)
                for _ in range(rounds if row.size else 1):
                    for name in order:
                        taken[name].append(sample(row, started[name], context, seconds))
                    order.reverse()
    return taken


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a goal was missed, else 0."""
    options = parse(
        argv,
        "tls",
        "Measure our TLS beside that of the event loops.",
        ROWS,
        seconds=SECONDS,
        rounds=ROUNDS,
    )
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "openssl": ssl.OPENSSL_VERSION,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "goals": {name: dict(row.goal) for name, row in ROWS.items()},
        "rows": {},
    }
    for name in options.rows or ROWS:
        document["rows"][name] = {}
        for loop in LOOPS:
            print(name, loop, file=sys.stderr)
            found = measure(ROWS[name], loop, options.seconds, options.rounds)
            document["rows"][name][loop] = found
    if options.json:
        write_json(options.json, document)
    print(summary(document), *missed(document), sep="\n")
    if options.document:
        write_readme(options.document, summary(document))
    return int(bool(missed(document)))


# Tables ------------------------------------------------------------------------------------------


def _ratio(found: Mapping[str, list[float]]) -> float:
    """How many times as good ours is."""
    ours, theirs = (median(found[name]) for name in TRANSPORTS)
    return theirs / ours


def reached(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, list[float]], float, float]]:
    """Each row and loop: the figures of both, how many times as good ours is, and the goal.

    The goal is that of the time of measuring; of today where *document* is older than "goals".
    """
    for name, loops in document["rows"].items():
        goal = document["goals"][name] if "goals" in document else ROWS[name].goal
        for loop, found in loops.items():
            yield name, loop, found, _ratio(found), goal[loop]


def missed(document: Mapping[str, Any]) -> list[str]:
    """Goals that were not reached."""
    return [
        f"SHORT: {ROWS[name].title}, {loop}: {ratio:.3g}x, not {goal:.3g}x"
        for name, loop, _, ratio, goal in reached(document)
        if not reaches(ratio, goal)
    ]


def summary(document: Mapping[str, Any]) -> str:
    """All figures in Markdown, from the JSON."""
    lines = [
        "| echo over TLS | loop | ours | the loop's own | | at least |",
        "|---|---|---|---|---|---|",
    ]
    for name, loop, found, ratio, goal in reached(document):
        row = ROWS[name]
        told = " | ".join(_told(row, median(found[each])) for each in TRANSPORTS)
        lines.append(f"| {row.title} | {loop} | {told} | {ratio:.3g}x | {goal:.3g}x |")
    made_on = document["machine"]
    return "\n".join([
        *lines,
        "",
        "CPU time of the server for a message, and resident memory; TLS 1.3, "
        f"{document['openssl']}, {made_on['cpu']}, {made_on['system']}, {made_on['python']}. "
        f"Medians of {document['rounds']} interleaved rounds, {made_on['when'][:10]}.",
    ])  # fmt: skip


def _told(row: Row, figure: float) -> str:
    return duration(figure) if row.size else f"{figure / KIB:.1f} KiB"


if __name__ == "__main__":
    sys.exit(main())
