"""Where a server listens; sockets that outlive the want of file descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["GuardedSocket", "ServerSockets", "listen"]

# What goes from the first server that binds to those that accept.
_ACCEPTING = ("ssl", "backlog", "ssl_handshake_timeout", "ssl_shutdown_timeout")
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
# So many connections are dropped before the event loop has its turn.
_MAX_DROPS = 100
# At most one line in so many seconds tells of it.
_LOG_INTERVAL = 60.0


class ServerSockets:
    """The sockets of a server, as one."""

    __slots__ = ("_bound", "accepting")

    def __init__(self, bound: asyncio.AbstractServer, accepting: list[Any]) -> None:
        self._bound = bound
        self.accepting = accepting

    @property
    def sockets(self) -> Sequence[Any]:
        """Those that are listened on."""
        return [sock for server in self.accepting for sock in server.sockets]

    def is_serving(self) -> bool:
        """Whether connections are accepted."""
        return all(server.is_serving() for server in self.accepting)

    async def start_serving(self) -> None:
        """Accept connections."""
        for server in self.accepting:
            await server.start_serving()

    def close(self) -> None:
        """Stop accepting."""
        for server in [*self.accepting, self._bound]:
            server.close()

    async def wait_closed(self) -> None:
        """Wait until the sockets are closed and the loop has let go of all connections.

        Those that are left are in the middle of a TLS handshake. They are dropped where asyncio
        offers to; before Python 3.13, and in uvloop, they last until ``open_timeout``.
        """
        for server in self.accepting:
            if hasattr(server, "abort_clients"):
                server.abort_clients()
            await server.wait_closed()


async def listen(
    factory: Callable[[], asyncio.BaseProtocol], path: str | None, options: dict[str, Any]
) -> ServerSockets:
    """Bind; `ServerSockets.start_serving` begins to accept. Raises OSError."""
    loop = asyncio.get_running_loop()
    # By itself, because a call that also starts to serve loses its sockets when it is cancelled.
    options = {**options, "start_serving": False}
    if path is None:
        bound: Any = await loop.create_server(factory, **options)
    else:
        bound = await loop.create_unix_server(factory, path, **options)
    if not isinstance(loop, asyncio.SelectorEventLoop):
        return ServerSockets(bound, [bound])  # libuv does what `GuardedSocket` does
    listening = ServerSockets(bound, [])
    kept = {name: options[name] for name in _ACCEPTING if name in options}
    try:
        for sock in bound.sockets:
            guarded = GuardedSocket(sock.dup().detach())
            listening.accepting.append(
                await loop.create_server(factory, sock=guarded, start_serving=False, **kept)
            )
    except BaseException:
        listening.close()
        raise
    return listening


class GuardedSocket(socket.socket):
    """A listening socket that drops whom it cannot accept, as libuv's do.

    asyncio leaves them in the queue, looks again every second, and logs up to a hundred lines each
    time. Here a spare descriptor is given up to accept each of them and to close it at once.
    """

    __slots__ = ("_dropped", "_next_line", "_spare")

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._spare = _spare_descriptor()
        self._dropped = 0
        self._next_line = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Raises BlockingIOError when there is none, or no descriptor."""
        if self._spare is None:
            self._spare = _spare_descriptor()
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED or self._spare is None:
                raise
            before = self._dropped
            self._drop_waiting()
            if self._dropped > before:
                self._log(error)
            raise BlockingIOError(errno.EAGAIN, "no descriptor") from error

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
            logger.error("connections are dropped, %d so far: %s", self._dropped, error)

    def close(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        super().close()


def _spare_descriptor() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None  # another thread was faster
