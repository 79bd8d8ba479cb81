"""A server that is killed and started again, with clients of every kind connected.

Each way is taken with and without care: careful clients name the last message that they have seen
when they come back. All wait as long before each attempt. The feed goes on while the server is
away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from time import monotonic

import wscore

from ..contract import Refused
from ..servers.process import free_port, serving
from .load import Figures
from .log import Message, Source
from .streams import stream_of

__all__ = ["CAREFUL", "DELAY", "WAYS", "Arrivals", "figures", "measure"]

DELAY = 0.25  # seconds before an attempt to connect
RATE = 20.0  # messages a second
SIZE = 100
PATIENCE = 30.0  # seconds for the feed to go on
TURNS = 20  # of the loop, until every client has read what its socket holds

# Of one client: the number of each message, and seconds of the monotonic clock.
Arrivals = list[tuple[int, float]]


async def websocket_without_reconnect(uri: str, arrivals: Arrivals) -> None:
    """What `new WebSocket` does by itself."""
    with suppress(wscore.ConnectionClosed):
        async with wscore.connect(uri) as ws:
            await _listen(ws, arrivals, "now")


async def websocket_from_now(uri: str, arrivals: Arrivals) -> None:
    """wscore's client that connects again."""
    async for ws in wscore.connect(uri, reconnect=_backoff()):
        with suppress(wscore.ConnectionClosed):
            await _listen(ws, arrivals, "now")


async def websocket_with_cursor(uri: str, arrivals: Arrivals) -> None:
    """The same, and it tells what it has seen."""
    async for ws in wscore.connect(uri, reconnect=_backoff()):
        with suppress(wscore.ConnectionClosed):
            await _listen(ws, arrivals, str(arrivals[-1][0]) if arrivals else "now")


def _backoff() -> wscore.Backoff:
    return wscore.Backoff(initial_delay=DELAY, factor=1, jitter=0, max_retries=None)


async def _listen(ws: wscore.Connection, arrivals: Arrivals, since: str) -> None:
    await ws.send(since)
    async for message in ws:
        arrivals.append((Message.identify(message)[0], monotonic()))


def _again(path: str, careful: bool) -> Callable[[str, Arrivals], Awaitable[None]]:
    """A client of SSE or long polling that connects again."""

    async def client(uri: str, arrivals: Arrivals) -> None:
        port = int(uri.rpartition(":")[2].partition("/")[0])
        while True:
            since = arrivals[-1][0] if careful and arrivals else None
            with suppress(OSError, Refused):  # refused, reset or ended
                await _stream(port, path, since, arrivals)
            await asyncio.sleep(DELAY)

    return client


async def _stream(port: int, path: str, since: int | None, arrivals: Arrivals) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stream = stream_of(path, since)
    try:
        while True:
            writer.write(bytes(stream.owed))
            stream.owed.clear()
            if not (data := await reader.read(1 << 16)):
                return
            arrivals += [(number, monotonic()) for number, _ in stream.feed(data)]
    finally:
        writer.close()


WAYS: dict[str, Callable[[str, Arrivals], Awaitable[None]]] = {
    "WebSocket as it is": websocket_without_reconnect,
    "WebSocket, reconnects": websocket_from_now,
    "WebSocket, reconnects with a cursor": websocket_with_cursor,
    "SSE, reconnects": _again("/sse", careful=False),
    "SSE, reconnects with Last-Event-ID": _again("/sse", careful=True),
    "long polling, from now": _again("/poll", careful=False),
    "long polling with a cursor": _again("/poll", careful=True),
}
NEVER = frozenset({"WebSocket as it is"})
# Those that may lose nothing.
CAREFUL = frozenset(
    {
        "WebSocket, reconnects with a cursor",
        "SSE, reconnects with Last-Event-ID",
        "long polling with a cursor",
    }
)


def figures(arrivals: Arrivals, killed: float, until: int) -> Figures:
    """What one client saw of a server that was *killed*; *until* is the last number published.

    ``seconds`` until the feed went on are left out if it did not.
    """
    numbers = [number for number, _ in arrivals]
    if not numbers:
        raise Refused("nothing arrived before the server was killed")
    expected = until - numbers[0] + 1
    found: Figures = {
        "expected": expected,
        "delivered": len(set(numbers)),
        "lost": expected - len(set(numbers)),
        "twice": len(numbers) - len(set(numbers)),
    }
    if later := [when for _, when in arrivals if when > killed]:
        found["seconds"] = later[0] - killed
    return found


def measure(clients: int, seconds: float) -> tuple[dict[str, list[Figures]], float]:
    """By way the figures of each client, and how long the server was away.

    *seconds* are those before it is killed, and after the feed goes on.
    """
    return asyncio.run(_measure(clients, seconds))


async def _measure(clients: int, seconds: float) -> tuple[dict[str, list[Figures]], float]:
    port = free_port()
    source = Source(port, SIZE)
    seen: dict[str, list[Arrivals]] = {way: [[] for _ in range(clients)] for way in WAYS}
    with source, source.running(RATE):
        async with _serving(port):
            running = _start(port, seen)
            await _until(lambda: all(map(all, seen.values())), "the feed did not begin")
            await asyncio.sleep(seconds)
        # Only when clients have read what had come is nothing on its way from the server any more.
        for _ in range(TURNS):
            await asyncio.sleep(0)
        gone = monotonic()
        async with _serving(port):
            away = monotonic() - gone
            for each in _back(seen):
                await _until(lambda each=each: each[-1][1] > gone + away, "no feed again")  # type: ignore[misc]
            await asyncio.sleep(seconds)
            until = source.number
            for each in _back(seen):
                await _until(lambda each=each: each[-1][0] >= until, "the last is missing")  # type: ignore[misc]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    return {
        way: [figures([a for a in each if a[0] <= until], gone, until) for each in lists]
        for way, lists in seen.items()
    }, away


@asynccontextmanager
async def _serving(port: int) -> AsyncIterator[None]:
    """Start the server without holding up the clients, and kill it in the end."""
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, serving("feed", port=port))
        yield


def _start(port: int, seen: dict[str, list[Arrivals]]) -> list[asyncio.Future[None]]:
    return [
        asyncio.ensure_future(client(f"ws://127.0.0.1:{port}/ws", arrivals))
        for way, client in WAYS.items()
        for arrivals in seen[way]
    ]


def _back(seen: dict[str, list[Arrivals]]) -> list[Arrivals]:
    return [each for way in WAYS if way not in NEVER for each in seen[way]]


async def _until(fulfilled: Callable[[], bool], complaint: str) -> None:
    deadline = monotonic() + PATIENCE
    while not fulfilled():
        if monotonic() > deadline:
            raise Refused(complaint)
        await asyncio.sleep(0.05)
