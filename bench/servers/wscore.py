"""wscore; ``WSCORE_BACKEND=python`` makes it the pure twin, ``BENCH_TLS=FILE`` speaks TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import wscore
from wscore.protocol.deflate import PerMessageDeflate

from . import Deflate, Options, entry

# 32 messages of 1 MiB are in flight at most; peers that write without waiting have no bound.
MAX_UNSENT = 64 << 20

ROOM = "all"
Send = Callable[[Iterable[wscore.Connection], str | bytes], None]


class Echo(wscore.Listener):
    """Answers within the callback."""

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def echo(ws: wscore.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


class Member(wscore.Listener):
    """Everybody is in one room of a hub; what one says is published in it."""

    def __init__(self, hub: wscore.Hub) -> None:
        self._hub = hub

    def on_open(self, ws: wscore.Connection) -> None:
        self._hub.join(ws, ROOM)

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        self._hub.publish(ROOM, message)


class Crowd(wscore.Listener):
    """Everybody is in one set, without a hub; *send* gives all of it a message."""

    def __init__(self, send: Send) -> None:
        self._members: set[wscore.Connection] = set()
        self._send = send

    def on_open(self, ws: wscore.Connection) -> None:
        self._members.add(ws)

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        self._send(self._members, message)

    def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
        self._members.discard(ws)


def write_each(members: Iterable[wscore.Connection], message: str | bytes) -> None:
    """What one would do without `wscore.broadcast`."""
    for ws in members:
        ws.write(message)


async def hub(options: Options) -> None:
    await _serve(Member(wscore.Hub()), options)


async def broadcast(options: Options) -> None:
    await _serve(Crowd(wscore.broadcast), options)


async def loop(options: Options) -> None:
    await _serve(Crowd(write_each), options)


async def listener(options: Options) -> None:
    await _serve(Echo, options)


async def coroutine(options: Options) -> None:
    await _serve(echo, options)


async def _serve(handler: Any, options: Options) -> None:
    # As docs/asyncio.md advises for large messages; this process does nothing else.
    told: dict[str, Any] = {} if options.heartbeat else {"ping_interval": None}
    compression = _compression(options.deflate)
    async with wscore.serve(
        handler,
        entry.HOST,
        options.port,
        compression=compression,
        max_size=options.max_size,
        max_unsent=MAX_UNSENT,
        ssl=_tls(),
        **told,
    ) as server:
        entry.announce(
            wscore=wscore.__version__,
            backend=wscore.BACKEND,
            kernel=wscore.KERNEL,
            heartbeat="on" if options.heartbeat else "off",
        )
        await server.serve_forever()


def _tls() -> ssl.SSLContext | None:
    """With the certificate and the key that the environment names."""
    certificate = os.environ.get("BENCH_TLS")
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def _compression(deflate: Deflate | None) -> Any:
    if deflate is None or deflate.level is None:
        return None if deflate is None else "deflate"
    return PerMessageDeflate(
        level=deflate.level,
        mem_level=deflate.mem_level,
        server_max_window_bits=deflate.window,
        client_max_window_bits=deflate.window,
    )


if __name__ == "__main__":
    entry.main(
        {
            "listener": listener,
            "coroutine": coroutine,
            "hub": hub,
            "broadcast": broadcast,
            "loop": loop,
        }
    )
