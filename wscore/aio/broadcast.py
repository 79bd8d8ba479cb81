"""`broadcast`: one message to many connections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from .._backend import SharedMessage, not_a_connection
from ..codes import Opcode
from ..errors import ConcurrencyError
from ..protocol.checks import mismatch
from ..protocol.connection import Sending, as_bytes
from .connection.connection import Connection
from .logs import shown
from .loop import loop_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._types import Buffer

__all__ = ["broadcast"]


def broadcast(
    connections: Iterable[Connection],
    message: str | Buffer,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
) -> None:
    """Write *message* to all *connections*, and wait for none of them.

    It is encoded once, and leaves each connection with whatever else is written to it in this turn
    of the event loop. Connections that are closed or closing are skipped. ``str`` is sent as text
    and bytes as binary, unless *text* says otherwise. For a peer that does not keep up the message
    waits in memory; beyond ``max_unsent`` bytes the option ``overflow`` of that connection decides.

    A connection that cannot take the message, for example because it is in the middle of a
    fragmented one, is logged as a warning and does not keep the message from others. With
    *raise_exceptions* an ExceptionGroup of all such errors is raised at the end instead; it needs
    Python 3.11, ValueError before. Raises TypeError for what is no message.
    """
    if raise_exceptions and sys.version_info < (3, 11):
        raise ValueError("raise_exceptions needs Python 3.11, which has ExceptionGroup")
    shared = _shared(message, text)
    connections = list(connections)
    if not connections:
        return
    if not isinstance(connections[0], Connection):
        raise TypeError(not_a_connection(connections[0]))
    loop = connections[0]._wire.loop
    refused = loop_data(loop).fanout(loop).broadcast(connections, shared)
    failures = []
    for connection, caught in cast("list[tuple[Connection, Exception | None]]", refused):
        error = _reason(connection, caught)
        if error is not None:
            failures.append(error)
            if not raise_exceptions:
                connection.logger.warning("skipped broadcast: %s", _told(error))
    if sys.version_info >= (3, 11) and raise_exceptions and failures:
        raise ExceptionGroup("skipped broadcast", failures)  # noqa: F821


def _shared(message: str | Buffer, text: bool | None) -> SharedMessage:
    is_text = isinstance(message, str) if text is None else text
    try:
        payload = as_bytes(message)
    except TypeError:
        raise TypeError(mismatch("message", "a str or bytes", message)) from None
    return SharedMessage(Opcode.TEXT if is_text else Opcode.BINARY, payload)


def _reason(connection: Connection, error: Exception | None) -> Exception | None:
    """What kept *connection* from taking the message; None if it is closed or closing."""
    if connection.protocol.sending is Sending.FRAGMENTS:
        return ConcurrencyError("a fragmented message is being sent")
    return error


def _told(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}", 200)
