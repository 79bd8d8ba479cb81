"""The server under test: echoes every message. Usage: python echo_server.py [--listener] PORT"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import wscore

MAX_SIZE = 16 * 2**20  # bytes; case 9.1.6 sends as much


async def echo(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


class Echo(wscore.Listener):
    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def main(handler: Any, port: int) -> None:
    # Cases 9.3.1 and 9.4.1 cut 4 MiB into 65,536 fragments.
    options = {"max_size": MAX_SIZE, "max_fragments": None}
    async with wscore.serve(handler, "127.0.0.1", port, **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Echo if "--listener" in sys.argv else echo, int(sys.argv[-1])))
