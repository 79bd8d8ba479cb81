"""wscore; ``WSCORE_BACKEND=python`` makes it the pure twin."""

from __future__ import annotations

import wscore

from . import entry


class Echo(wscore.Listener):
    """Answers within the callback."""

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def echo(ws: wscore.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


async def listener(port: int) -> None:
    async with wscore.serve(Echo, entry.HOST, port) as server:
        _announce()
        await server.serve_forever()


async def coroutine(port: int) -> None:
    async with wscore.serve(echo, entry.HOST, port) as server:
        _announce()
        await server.serve_forever()


def _announce() -> None:
    entry.announce(wscore=wscore.__version__, backend=wscore.BACKEND, kernel=wscore.KERNEL)


if __name__ == "__main__":
    entry.main({"listener": listener, "coroutine": coroutine})
