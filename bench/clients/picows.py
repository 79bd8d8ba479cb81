"""picows: its core as the listener, ``picows.websockets`` for coroutines."""

from __future__ import annotations

import picows
import picows.websockets
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from . import entry
from .entry import MESSAGE, Stopwatch


class PingPong(WSListener):
    """Sends the next message from the callback that brought the last."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.BINARY, MESSAGE)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            if self._watch.lap(frame.get_payload_as_bytes()):
                transport.send(WSMsgType.BINARY, MESSAGE)
            else:
                transport.disconnect()


async def listener(port: int, watch: Stopwatch) -> None:
    transport, _ = await picows.ws_connect(lambda: PingPong(watch), entry.uri(port))
    await transport.wait_disconnected()


async def coroutine(port: int, watch: Stopwatch) -> None:
    uri = entry.uri(port)
    async with picows.websockets.connect(uri, compression=None, ping_interval=None) as ws:
        await ws.send(MESSAGE)
        while watch.lap(await ws.recv()):
            await ws.send(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "listener": listener})
