"""wscore; ``WSCORE_BACKEND=python`` makes it the pure twin."""

from __future__ import annotations

from typing import Any

import wscore
from wscore.protocol.deflate import PerMessageDeflate

from . import Deflate, Options, entry

# 32 messages of 1 MiB are in flight at most; peers that write without waiting have no bound.
MAX_UNSENT = 64 << 20


class Echo(wscore.Listener):
    """Answers within the callback."""

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def echo(ws: wscore.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


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
        **told,
    ) as server:
        entry.announce(
            wscore=wscore.__version__,
            backend=wscore.BACKEND,
            kernel=wscore.KERNEL,
            heartbeat="on" if options.heartbeat else "off",
        )
        await server.serve_forever()


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
    entry.main({"listener": listener, "coroutine": coroutine})
