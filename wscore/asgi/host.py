"""What the connections of one uvicorn server share."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from ..aio.options import ConnectionOptions
from ..aio.server.options import ServerOptions
from ..aio.stats import Counters
from ..protocol.server import HandshakeOptions

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from ..aio.connection.wire import Wire
    from ..aio.server.routes import Handler
    from ..protocol.headers import Headers

__all__ = ["TRACE", "UvicornHost", "host_of", "logger"]

logger = logging.getLogger("uvicorn.error")
# uvicorn's own level, below DEBUG.
TRACE = 5
# uvicorn has no limit; the Autobahn suite sends 65,536 frames of one message.
_MAX_FRAGMENTS = 131072
# Bytes and lines of a request that uvicorn has read already, within limits of its own.
_MAX_HEAD, _MAX_LINES = 1048576, 4096


class UvicornHost:
    """The `Host` of connections that uvicorn accepts."""

    closing = False

    def __init__(self, config: Config, state: ServerState) -> None:
        self.server: Any = None
        self.root_path = config.root_path
        self.asgi = {"version": config.asgi_version, "spec_version": "2.5"}
        self.counters = Counters()  # `Host` has one; here nobody asks
        self.options = ServerOptions(connection=_connection_options(config), server_header=None)
        self.handshake = HandshakeOptions(
            extensions=self.options.connection.enabled_extensions,
            add_headers=self._add_headers,
            max_line_size=_MAX_HEAD,
            max_headers=_MAX_LINES,
            max_head_size=_MAX_HEAD,
        )
        # uvicorn's own sets. It replaces the list of headers each second; the state, which is the
        # key of this in `_hosts`, must not be kept, nor the application, which may know it.
        self.connections: set[Any] = state.connections
        self.tasks: set[asyncio.Task[None]] = state.tasks
        self._state = ref(state)
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._fields: list[tuple[str, str]] = []
        self._lines = ""
        self._discard = self.tasks.discard  # one for all connections
        self._context = Context()

    def find_handler(self, path: str) -> Handler | None:
        """Routes are the application's."""
        return None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the application for a connection; uvicorn waits for it when it shuts down."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._discard, context=self._context)
        return task

    def saw_cookies(self) -> None:
        """Origins are looked at by the application."""

    def forget(self, wire: Wire) -> None:
        """A connection is gone."""
        self.connections.discard(wire)

    def _add_headers(self, headers: Headers) -> None:
        """Add uvicorn's default headers to an answer."""
        self.header_lines()
        headers.add_missing(self._fields)

    def header_lines(self) -> str:
        """Return uvicorn's default headers as whole lines of a head."""
        state = self._state()
        defaults = None if state is None else state.default_headers
        if defaults is not self._defaults:
            self._defaults = defaults
            self._fields = [(name.decode("latin-1"), value.decode("latin-1"))
                            for name, value in defaults or ()]  # fmt: skip
            self._lines = "".join([f"{name}: {value}\r\n" for name, value in self._fields])
        return self._lines


def _connection_options(config: Config) -> ConnectionOptions:
    return ConnectionOptions(
        ping_interval=config.ws_ping_interval or None,
        ping_timeout=config.ws_ping_timeout or None,
        max_size=config.ws_max_size,
        max_fragments=_MAX_FRAGMENTS,
        max_queue=config.ws_max_queue or None,
        compression="deflate" if config.ws_per_message_deflate else None,
        logger=logger,
    )


_hosts: WeakKeyDictionary[ServerState, UvicornHost] = WeakKeyDictionary()


def host_of(config: Config, state: ServerState) -> UvicornHost:
    """The host of the server that *state* is of, made when first asked for."""
    host = _hosts.get(state)
    if host is None:
        if not config.loaded:
            config.load()
        host = _hosts[state] = UvicornHost(config, state)
    return host
