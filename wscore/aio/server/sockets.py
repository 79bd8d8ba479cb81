"""The listening sockets of a server, which survive running out of file descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from asyncio.trsock import TransportSocket
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..._backend import Acceptor
from ..logs import logger
from ..loop import loop_data
from ..reactor import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["GuardedSocket", "ServerSockets", "SocketListener", "listen"]

# Options passed on from the server that binds to the servers that accept.
_ACCEPTING = ("ssl", "backlog", "ssl_handshake_timeout", "ssl_shutdown_timeout")
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
# Connections dropped at once before the event loop continues.
_MAX_DROPS = 100
# Connections accepted at once, as asyncio does in a turn of the loop, but not more than these.
_BACKLOG, _MOST_ACCEPTED = 100, 64
# Seconds without accepting, after the system had no memory for it. asyncio's own.
_PAUSE = 1.0
# Minimum seconds between two log records about dropped connections.
_LOG_INTERVAL = 60.0


class ServerSockets:
    """All listening sockets of a server."""

    __slots__ = ("_bound", "accepting")

    def __init__(self, bound: asyncio.AbstractServer, accepting: list[Any]) -> None:
        self._bound = bound
        self.accepting = accepting

    @property
    def sockets(self) -> Sequence[Any]:
        """The listening sockets."""
        return [sock for server in self.accepting for sock in server.sockets]

    def is_serving(self) -> bool:
        """Whether all sockets accept connections."""
        return all(server.is_serving() for server in self.accepting)

    async def start_serving(self) -> None:
        """Start accepting connections."""
        for server in self.accepting:
            await server.start_serving()

    def close(self) -> None:
        """Stop accepting connections."""
        for server in [*self.accepting, self._bound]:
            server.close()

    async def wait_closed(self) -> None:
        """Wait until the sockets are closed and the loop has released all connections.

        The remaining connections are in a TLS handshake of the loop's. They are dropped if asyncio
        supports it; before Python 3.13, and in uvloop, they last until ``open_timeout``.
        """
        for server in self.accepting:
            if hasattr(server, "abort_clients"):
                server.abort_clients()
            await server.wait_closed()


async def listen(
    factory: Callable[[], asyncio.BaseProtocol],
    path: str | None,
    options: dict[str, Any],
    *,
    starts_tls: bool = False,
) -> ServerSockets:
    """Bind the sockets; `ServerSockets.start_serving` starts accepting. Raises OSError.

    With *starts_tls*, connections need transports that the loop can begin TLS on.
    """
    loop = asyncio.get_running_loop()
    is_plain = options.get("ssl") is None and not starts_tls
    reactor = loop_data(loop).reactor(loop) if is_plain else None
    # Bind in a separate call: one that also starts serving loses its sockets when cancelled.
    options = {**options, "start_serving": False}
    if path is None:
        bound: Any = await loop.create_server(factory, **options)
    else:
        bound = await loop.create_unix_server(factory, path, **options)
    if any(sock.family not in FAMILIES for sock in bound.sockets):
        reactor = None
    if reactor is None and not isinstance(loop, asyncio.SelectorEventLoop):
        return ServerSockets(bound, [bound])  # libuv itself does what `GuardedSocket` does
    listening = ServerSockets(bound, [])
    kept = {name: options[name] for name in _ACCEPTING if name in options}
    try:
        for sock in bound.sockets:
            guarded = GuardedSocket(os.dup(sock.fileno()))
            if reactor is not None:
                backlog = kept.get("backlog", _BACKLOG)
                made: Any = SocketListener(guarded, reactor, loop, factory, backlog)
            else:
                made = await loop.create_server(factory, sock=guarded, start_serving=False, **kept)
            listening.accepting.append(made)
    except BaseException:
        listening.close()
        raise
    return listening


class SocketListener:
    """A listening socket whose connections have our own transport.

    In the place of an `asyncio.Server`, and with as much of it as `ServerSockets` needs.
    """

    __slots__ = ("_acceptor", "_backlog", "_loop", "_pause", "_sock")

    def __init__(
        self,
        sock: GuardedSocket,
        reactor: Any,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.BaseProtocol],
        backlog: int,
    ) -> None:
        self._sock = sock
        self._backlog = backlog
        self._loop = loop
        # Until the system may have what accepting needs again.
        self._pause: asyncio.TimerHandle | None = None
        most = max(1, min(backlog, _MOST_ACCEPTED))
        self._acceptor = Acceptor(reactor, loop, factory, self._failed, most)

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The listening socket; none after `close`."""
        return () if self._sock.fileno() < 0 else (TransportSocket(self._sock),)

    def is_serving(self) -> bool:
        """Whether connections are accepted."""
        return self._acceptor.is_accepting or self._pause is not None

    async def start_serving(self) -> None:
        """Accept connections. Raises OSError."""
        if not self.is_serving():
            self._sock.setblocking(False)
            self._sock.listen(self._backlog)
            self._acceptor.start(self._sock.fileno())

    def close(self) -> None:
        """Accept no connections any more."""
        self._acceptor.stop()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._sock.close()

    async def wait_closed(self) -> None:
        """Wait until all connections are gone."""
        while self._acceptor.open:
            if self._acceptor.emptied is None:
                self._acceptor.emptied = self._loop.create_future()
            await asyncio.shield(self._acceptor.emptied)

    def _failed(self, number: int | None) -> None:
        """The system accepts nothing: make room, or try again later."""
        error = OSError(number, os.strerror(number or 0))
        if self._sock.drop_waiting(error):
            return
        self._acceptor.stop()
        self._pause = self._loop.call_later(_PAUSE, self._go_on)
        message = "socket.accept() out of system resource"
        self._loop.call_exception_handler({"message": message, "exception": error,
                                           "socket": TransportSocket(self._sock)})  # fmt: skip

    def _go_on(self) -> None:
        self._pause = None
        self._sock.keep_spare()
        try:
            self._acceptor.start(self._sock.fileno())
        except OSError as still:
            self._failed(still.errno)


class GuardedSocket(socket.socket):
    """A listening socket that drops connections when no descriptors are left, as in libuv.

    asyncio leaves such connections in the queue, tries again every second, and logs up to a
    hundred lines each time. This socket closes a spare descriptor to accept and close each one.
    """

    __slots__ = ("_dropped", "_next_line", "_spare")

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._spare = _spare_descriptor()
        self._dropped = 0
        self._next_line = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Raises BlockingIOError if none waits or no descriptor is left."""
        self.keep_spare()
        try:
            return super().accept()
        except OSError as error:
            if not self.drop_waiting(error):
                raise
            raise BlockingIOError(errno.EAGAIN, "no file descriptor left") from error

    def keep_spare(self) -> None:
        """Have a spare descriptor again, if there is one to be had."""
        if self._spare is None:
            self._spare = _spare_descriptor()

    def drop_waiting(self, error: OSError) -> bool:
        """Drop the connections that wait, if *error* says that no descriptor is left for them.

        Returns False, and drops none, for other errors and without a spare descriptor.
        """
        if error.errno not in _EXHAUSTED or self._spare is None:
            return False
        before = self._dropped
        self._drop_waiting()
        if self._dropped > before:
            self._log(error)
        return True

    def _drop_waiting(self) -> None:
        for _ in range(_MAX_DROPS):
            if self._spare is None:
                return
            os.close(self._spare)
            try:
                super().accept()[0].close()
                self._dropped += 1
            except OSError:
                return
            finally:
                self._spare = _spare_descriptor()

    def _log(self, error: OSError) -> None:
        if monotonic() >= self._next_line:
            self._next_line = monotonic() + _LOG_INTERVAL
            logger.error("dropping connections, %d so far: %s", self._dropped, error)

    def close(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        super().close()


def _spare_descriptor() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None  # another thread has taken it
