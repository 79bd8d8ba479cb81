"""Callbacks instead of a coroutine: nothing is scheduled between the socket and the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from ...frames import Close
    from .connection import Connection

    C = TypeVar("C", bound=Connection, default=Any)
else:
    from typing import TypeVar

    C = TypeVar("C")

__all__ = ["Listener", "as_listener", "is_listener"]


class Listener(Generic[C]):
    """Callbacks of a connection; override those of interest.

    Given to `serve` or `connect` as a class, each connection gets an instance of its own; given as
    an instance, all connections share it. Callbacks run in the event loop and must not block;
    those of one connection share a context (`contextvars`). A callback that raises is logged, and
    its connection is closed with 1011; ConnectionClosed is no such error once the connection is
    closing, and KeyboardInterrupt and SystemExit end the event loop.

    ``Listener[ServerConnection]`` and ``Listener[ClientConnection]`` tell type checkers which
    kind of connection the callbacks get; both are plain `Listener` at run time.
    """

    def on_open(self, ws: C) -> None:
        """The opening handshake is done."""

    def on_message(self, ws: C, message: str | bytes) -> None:
        """A whole message was received: ``str`` for text, ``bytes`` for binary."""

    def on_ping(self, ws: C, payload: bytes) -> None:
        """A ping was received; the pong is already on its way."""

    def on_pong(self, ws: C, payload: bytes) -> None:
        """A pong was received, whether a ping asked for it or not."""

    def on_drain(self, ws: C) -> None:
        """The peer keeps up again, after `Connection.write` returned False."""

    def on_close(self, ws: C, close: Close) -> None:
        """The connection is gone. *close* has the code 1006 when the peer sent no Close."""


def as_listener(handler: Any) -> Listener | None:
    """The listener for a new connection; None when *handler* is a coroutine function."""
    if isinstance(handler, Listener):
        return handler
    if isinstance(handler, type) and issubclass(handler, Listener):
        return handler()
    return None


def is_listener(handler: Any) -> bool:
    """Whether *handler* is a `Listener` or a class of listeners."""
    return isinstance(handler, Listener) or (
        isinstance(handler, type) and issubclass(handler, Listener)
    )
