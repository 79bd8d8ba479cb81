"""The echo server of the command line: WebSocket at every path, a page and a health check."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..aio import Listener, serve

if TYPE_CHECKING:
    from ..aio import Connection, ServerConnection
    from ..http11 import Request, Response

__all__ = ["Echo", "echo_server"]


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
