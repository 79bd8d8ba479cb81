"""The listening sockets of a server, which survive running out of file descriptors."""

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

# Options passed on from the server that binds to the servers that accept.
_ACCEPTING = ("ssl", "backlog", "ssl_handshake_timeout", "ssl_shutdown_timeout")
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
# Connections dropped at once before the event loop continues.
_MAX_DROPS = 100
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

        The remaining connections are in a TLS handshake. They are dropped if asyncio supports it;
        before Python 3.13, and in uvloop, they last until ``open_timeout``.
        """
        for server in self.accepting:
            if hasattr(server, "abort_clients"):
                server.abort_clients()
            await server.wait_closed()


async def listen(
    factory: Callable[[], asyncio.BaseProtocol], path: str | None, options: dict[str, Any]
) -> ServerSockets:
    """Bind the sockets; `ServerSockets.start_serving` starts accepting. Raises OSError."""
    loop = asyncio.get_running_loop()
    # Bind in a separate call: one that also starts serving loses its sockets when cancelled.
    options = {**options, "start_serving": False}
    if path is None:
        bound: Any = await loop.create_server(factory, **options)
    else:
        bound = await loop.create_unix_server(factory, path, **options)
    if not isinstance(loop, asyncio.SelectorEventLoop):
        return ServerSockets(bound, [bound])  # libuv itself does what `GuardedSocket` does
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
            raise BlockingIOError(errno.EAGAIN, "no file descriptor left") from error

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
