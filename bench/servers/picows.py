"""picows: its core as the listener, ``picows.websockets`` for coroutines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import picows
import picows.websockets
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from . import Options, entry

MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)


class Echo(WSListener):
    """Answers within the callback; the payload is copied into the answer and nowhere else."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in MESSAGES:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


async def listener(options: Options) -> None:
    await _listen(lambda request: Echo(), options)


async def _listen(factory: Callable[[Any], WSListener], options: Options) -> None:
    if options.deflate is not None:
        raise SystemExit("picows has compression in picows.websockets only")
    server = await picows.ws_create_server(factory, entry.HOST, options.port)
    entry.announce("picows")
    await server.serve_forever()


class Member(WSListener):
    """Sends what it gets to each of *members*, one after the other."""

    def __init__(self, members: set[WSTransport]) -> None:
        self._members = members

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._members.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in MESSAGES:
            kind, payload = frame.msg_type, frame.get_payload_as_bytes()
            for member in self._members:
                member.send(kind, payload)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._members.discard(transport)


async def loop(options: Options) -> None:
    members: set[WSTransport] = set()
    await _listen(lambda request: Member(members), options)


async def coroutine(options: Options) -> None:
    """Compresses at zlib's default level and with 8 for mem_level, which cannot be told."""
    async with picows.websockets.serve(
        echo,
        entry.HOST,
        options.port,
        compression=None if options.deflate is None else "deflate",
        max_size=options.max_size,
        ping_interval=None,
    ) as server:
        entry.announce("picows")
        await server.serve_forever()


async def echo(ws: picows.websockets.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


if __name__ == "__main__":
    entry.main({"listener": listener, "coroutine": coroutine, "loop": loop})
