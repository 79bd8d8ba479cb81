"""wscore: one port for all, one for a single origin. ``--listener`` for callbacks, on uvloop.

``--tls`` for TLS.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.certificates import make_certificate, serving

import wscore

from ..core import ORIGINS, SUBPROTOCOLS
from . import HOST, announce, run

OPTIONS: dict[str, Any] = {
    # Short, so that those who stall are seen to be dropped.
    "open_timeout": 2,
    "close_timeout": 1,
    # Long, so that none of many connections has to be tried again after a second.
    "backlog": 512,
    "subprotocols": SUBPROTOCOLS,
}


class Echo(wscore.Listener):
    """Answers within the callback."""

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def echo(ws: wscore.ServerConnection) -> None:
    """Answers from a task for each connection."""
    async for message in ws:
        await ws.send(message)


async def main(handler: Any) -> None:
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                wscore.serve(handler, HOST, 0, origins=origins, **OPTIONS)
            )
            for origins in (None, ORIGINS)
        ]
        sockets = [sock for server in servers for sock in server.sockets]
        announce(sockets, wscore=wscore.__version__, backend=wscore.BACKEND)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if "--tls" in sys.argv:
        with TemporaryDirectory(prefix="attack-tls-") as folder:
            OPTIONS["ssl"] = serving(make_certificate(Path(folder)))
    if "--listener" in sys.argv:
        import uvloop

        uvloop.run(main(Echo))
    else:
        run(main(echo))
