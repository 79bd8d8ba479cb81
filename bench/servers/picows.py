"""picows: its core as the listener, ``picows.websockets`` for coroutines."""

from __future__ import annotations

import picows
import picows.websockets
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from . import entry

MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)


class Echo(WSListener):
    """Answers within the callback; the payload is copied into the answer and nowhere else."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in MESSAGES:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


async def listener(port: int) -> None:
    server = await picows.ws_create_server(lambda request: Echo(), entry.HOST, port)
    entry.announce("picows")
    await server.serve_forever()


async def coroutine(port: int) -> None:
    async with picows.websockets.serve(echo, entry.HOST, port, compression=None) as server:
        entry.announce("picows")
        await server.serve_forever()


async def echo(ws: picows.websockets.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


if __name__ == "__main__":
    entry.main({"listener": listener, "coroutine": coroutine})
