"""The echo server of the command line: WebSocket on every path, a page and a health check."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..aio import Listener, serve
from ..cli.output import note, write

if TYPE_CHECKING:
    from ..aio import Connection, ServerConnection
    from ..protocol.http11 import Request, Response

__all__ = ["Echo", "echo_server", "run"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Echo(Listener):
    """Echoes every message."""

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        ws.write(message)


def answer_http(connection: ServerConnection, request: Request) -> Response | None:
    """Answer plain HTTP requests of browsers; return None for opening handshakes."""
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
    """Return a server to enter or await. *options* are those of `serve`."""
    return serve(Echo, host, port, process_request=answer_http, **options)


async def run(host: str, port: int, **options: Any) -> None:
    """Serve until SIGINT or SIGTERM, then close all connections with 1001.

    A second signal ends the process at once. *options* are those of `serve`. Raises OSError if it
    cannot listen, OutputError if it cannot say where.
    """
    stop = asyncio.Event()
    _on_signals(stop)
    async with echo_server(host, port, **options) as server:
        address, bound = server.sockets[0].getsockname()[:2]
        where = f"[{address}]:{bound}" if ":" in address else f"{address}:{bound}"
        s = "s" if options.get("ssl") else ""
        if sys.stdout is not None:  # who closes it does not want to know
            write(f"open http{s}://{where}/ in a browser, or connect to ws{s}://{where}/\n")
        await stop.wait()
        note(f"closing {server.stats.connections} connections")


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_DFL)

    for signum in _SIGNALS:
        with suppress(NotImplementedError):  # on Windows, where Ctrl-C still ends the process
            loop.add_signal_handler(signum, first)
