"""The echo server of the command line: WebSocket at every path, a page and a health check."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..aio import Listener, serve

if TYPE_CHECKING:
    from ..aio import Connection, ServerConnection
    from ..http11 import Request, Response

__all__ = ["Echo", "echo_server", "run"]


class Echo(Listener):
    """Sends every message back."""

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        ws.write(message)


def answer_http(connection: ServerConnection, request: Request) -> Response | None:
    """Answer a browser's plain requests; let handshakes pass."""
    if "upgrade" in request.headers:
        return None
    path = request.path.partition("?")[0]
    if path == "/":
        page = files(__package__).joinpath("page.html").read_text("utf-8")
        return connection.respond(200, page, [("Content-Type", "text/html; charset=utf-8")])
    if path == "/health":
        return connection.respond(200, "OK\n")
    return connection.respond(404, "Not Found\n")


def echo_server(host: str | None = "127.0.0.1", port: int | None = 8765, **options: Any) -> serve:
    """Return the server to enter or await; *options* are those of `serve`."""
    return serve(Echo, host, port, process_request=answer_http, **options)


async def run(host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, then close all connections with 1001. Raises OSError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C still ends it
            loop.add_signal_handler(signum, stop.set)
    async with echo_server(host, port) as server:
        address, bound = server.sockets[0].getsockname()[:2]
        where = f"[{address}]:{bound}" if ":" in address else f"{address}:{bound}"
        print(f"open http://{where}/ in a browser, or connect to ws://{where}/", flush=True)
        await stop.wait()
