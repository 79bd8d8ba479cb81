"""`broadcast`: one message to many connections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import ConcurrencyError
from ..protocol.checks import mismatch
from ..protocol.connection import Sending, State
from .logs import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._types import Buffer
    from .connection.connection import Connection

__all__ = ["broadcast"]


def broadcast(
    connections: Iterable[Connection],
    message: str | Buffer,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
) -> None:
    """Write *message* to all *connections*, and wait for none of them.

    Those that are closed or closing are skipped. ``str`` is sent as text and bytes as binary,
    unless *text* says otherwise. For a peer that does not keep up the message waits in memory;
    beyond ``max_unsent`` bytes the option ``overflow`` of that connection decides.

    A connection that cannot take the message, for example because it is in the middle of a
    fragmented one, is logged as a warning and does not keep the message from others. With
    *raise_exceptions* an ExceptionGroup of all such errors is raised at the end instead; it needs
    Python 3.11, ValueError before. Raises TypeError for what is no message.
    """
    if raise_exceptions and sys.version_info < (3, 11):
        raise ValueError("raise_exceptions needs Python 3.11, which has ExceptionGroup")
    _check(message)
    failures: list[Exception] = []
    for connection in connections:
        if connection.state is not State.OPEN:
            continue
        try:
            connection.write(message, text)
        except Exception as caught:
            error = _reason(connection, caught)
            failures.append(error)
            if not raise_exceptions:
                connection.logger.warning("skipped broadcast: %s", _told(error))
    if sys.version_info >= (3, 11) and raise_exceptions and failures:
        raise ExceptionGroup("skipped broadcast", failures)  # noqa: F821


def _check(message: object) -> None:
    """Demand a message, also when there is no connection to refuse another object."""
    if not isinstance(message, str):
        try:
            memoryview(message).release()  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(mismatch("message", "a str or bytes", message)) from None


def _reason(connection: Connection, error: Exception) -> Exception:
    """What kept *connection* from taking the message, where *error* says less."""
    if connection.protocol.sending is Sending.FRAGMENTS:
        return ConcurrencyError("a fragmented message is being sent")
    return error


def _told(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}", 200)
