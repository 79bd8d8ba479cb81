"""The server of the command line: the chat, an echo, their pages, a health check."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import sys
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..aio import Listener, serve
from ..cli.output import note, write
from ..cli.stopping import stop_on_signals
from ..protocol.hosts import host_and_port
from ..workers.app import App
from .chat import Chat
from .echo import Echo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..aio import Server, ServerConnection
    from ..protocol.http11 import Request, Response

__all__ = ["Front", "demo_server", "node", "run"]

_CHAT = "/chat"
_PAGES = {"/": "chat.html", "/echo": "echo.html"}


class Front(Listener):
    """Gives connections on /chat to *chat*; on every other path, messages are echoed."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._echo = Echo()

    def on_open(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        if ws.request.path.partition("?")[0] == _CHAT:
            self._chat.on_open(ws)

    def on_message(self, ws: ServerConnection, message: str | bytes) -> None:
        served = self._chat if ws in self._chat.visitors else self._echo
        served.on_message(ws, message)

    def on_close(self, ws: ServerConnection, close: object) -> None:
        if ws in self._chat.visitors:
            self._chat.on_close(ws, close)


def answer_http(connection: ServerConnection, request: Request) -> Response | None:
    """Answer plain HTTP requests of browsers; return None for opening handshakes."""
    path = request.path.partition("?")[0]
    if "upgrade" in request.headers:
        if path == _CHAT and not _same_origin(request):
            return connection.respond(403, "Only pages of this server may chat.\n")
        return None
    if path in _PAGES:
        page, policy = _page(_PAGES[path])
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        }
        return connection.respond(200, page, headers)
    if path == "/health":
        return connection.respond(200, "OK\n")
    return connection.respond(404, "Not Found\n")


def _same_origin(request: Request) -> bool:
    """Whether *request* comes from a page of this server, or from no page at all.

    The chat starts a process when it is asked to: no page of another site shall ask.
    """
    origins = request.headers.get_all("Origin")
    hosts = request.headers.get_all("Host")
    return not origins or [urlsplit(origin).netloc for origin in origins] == hosts


@cache
def _page(name: str) -> tuple[str, str]:
    """A page, and the policy that lets run its own script and style, and nothing else."""
    page = files(__package__).joinpath(name).read_text("utf-8")
    hashes = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; script-src {hashes['script']}; "
        f"style-src {hashes['style']}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


@asynccontextmanager
async def demo_server(
    host: str | None = "127.0.0.1",
    port: int | None = 8765,
    *,
    chat: Chat | None = None,
    **options: Any,
) -> AsyncIterator[Server]:
    """Serve *chat*, the echo and their pages within a context. *options* are those of `serve`."""
    chat = chat or Chat()
    listener = Front(chat)
    async with serve(listener, host, port, process_request=answer_http, **options) as server:
        scheme = "wss" if options.get("ssl") else "ws"
        uri = f"{scheme}://{_own_address(server)}{_CHAT}"
        async with chat.serving(uri, lambda: len(server.connections)):
            yield server


@asynccontextmanager
async def node() -> AsyncIterator[App]:
    """The chat as one of several nodes: ``wscore serve wscore.demo:node``.

    In the environment, REDIS_URL is that of the hub, CHAT_NODE the name of this node, CHAT_URI
    where simulated members connect, and CHAT_TICKET the secret by which any node knows them.
    """
    chat = Chat(
        os.environ.get("REDIS_URL"),
        node=os.environ.get("CHAT_NODE", ""),
        ticket=os.environ.get("CHAT_TICKET", ""),
    )
    async with chat.serving(os.environ.get("CHAT_URI", ""), lambda: len(chat.visitors)):
        yield App(Front(chat), process_request=answer_http)


def _own_address(server: Server) -> str:
    """Where a process on this machine reaches *server*."""
    address, port = server.sockets[0].getsockname()[:2]
    return host_and_port({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port)


async def run(host: str, port: int, **options: Any) -> None:
    """Serve until SIGINT or SIGTERM, then close all connections with 1001.

    A second signal ends the process at once. *options* are those of `serve`. Raises OSError if it
    cannot listen, OutputError if it cannot say where.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with demo_server(host, port, **options) as server:
        where = host_and_port(*server.sockets[0].getsockname()[:2])
        s = "s" if options.get("ssl") else ""
        if sys.stdout is not None:  # who closes it does not want to know
            write(
                f"open http{s}://{where}/ in a browser to chat, or connect to ws{s}://{where}/echo\n"
            )
        await stop.wait()
        note(f"closing {server.stats.connections} connections")
