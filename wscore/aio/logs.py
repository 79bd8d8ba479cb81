"""Log records: fields that identify the connection, and text from peers made safe.

Records about a connection go to the logger of its options, by default to those that are here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..protocol.connection import as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._types import Buffer
    from .connection.connection import Connection

    AnyLogger = logging.Logger | logging.LoggerAdapter[Any]

__all__ = ["about", "log_closed", "log_error", "log_fragment", "log_opened", "log_overload",
           "log_received", "log_refusal",
           "logger", "shown", "tap", "traffic"]  # fmt: skip

logger = logging.getLogger("wscore")
# Every message, at debug level: a separate logger, so that it can be switched off.
traffic = logging.getLogger("wscore.traffic")


def about(connection: Connection) -> dict[str, Any]:
    """Return the additional fields of all records about *connection*, for ``extra``."""
    return {"websocket": connection.id, "remote_address": connection.remote_address}


def shown(value: str | bytes, most: int = 75) -> str:
    """Quote text from a peer, cut at *most*, without characters that forge or hide a line."""
    cut = repr(value[:most])
    return cut if len(value) <= most else f"{cut}... ({len(value)} in all)"


def log_opened(connection: Connection) -> None:
    """Log that the opening handshake is complete."""
    log = connection._wire.options.log
    if log.isEnabledFor(logging.DEBUG) and (request := connection.request) is not None:
        log.debug("connection open: %s", shown(request.path), extra=about(connection))


def log_refusal(connection: Connection, reason: str) -> None:
    """Log that the server did not open the connection. *reason* is not text from the peer."""
    log = connection._wire.options.log
    if log.isEnabledFor(logging.INFO):
        error = connection.protocol.handshake_error
        # The text of an error may contain text from the peer.
        text = "" if error is None else f": {shown(str(error))}"
        log.info("handshake refused: %s%s", reason, text, extra=about(connection))


def log_overload(
    log: AnyLogger, remote_address: Any, reason: str, error: Exception | None = None
) -> None:
    """Log that the server refused a client, or lost it, before there was a connection.

    The text of *error* is not text from the peer.
    """
    fields = {"websocket": None, "remote_address": remote_address}
    detail = f": {error}" if error is not None and str(error) else ""
    log.info("handshake refused: %s%s", reason, detail, extra=fields)


def tap(connection: Connection) -> Callable[[str | Buffer], None]:
    """Return the function that logs each message written to *connection*."""
    log = connection._wire.options.traffic_log

    def log_sent(message: str | Buffer) -> None:
        log.debug("sending %s", _shown_data(message), extra=about(connection))

    return log_sent


def log_received(connection: Connection, events: list[Any]) -> None:
    """Log each of *events*, which came in together."""
    log = connection._wire.options.traffic_log
    for event in events:
        text = shown(event) if isinstance(event, (str, bytes)) else shown(str(event))
        log.debug("received %s", text, extra=about(connection))


def log_fragment(connection: Connection, data: str | Buffer) -> None:
    """Log that a fragment of a message was sent."""
    log = connection._wire.options.traffic_log
    if log.isEnabledFor(logging.DEBUG):
        log.debug("sending fragment %s", _shown_data(data), extra=about(connection))


def _shown_data(data: str | Buffer) -> str:
    return shown(data if isinstance(data, str) else as_bytes(data))


def log_closed(connection: Connection) -> None:
    """Log the end of a connection that was open."""
    log = connection._wire.options.log
    if log.isEnabledFor(logging.DEBUG):
        log.debug("connection closed: %s", _ending(connection), extra=about(connection))


def log_error(connection: Connection, text: str, error: BaseException | None = None) -> None:
    """Log *error*, or the exception that is being handled, with its traceback."""
    log = connection._wire.options.log
    log.error(text, exc_info=error or True, extra=about(connection))


def _ending(connection: Connection) -> str:
    protocol = connection.protocol
    said = [
        f"{verb} {close.code:d} {shown(close.reason)}"
        for verb, close in (("received", protocol.close_rcvd), ("sent", protocol.close_sent))
        if close is not None
    ]
    if protocol.failure is not None:
        said.append(shown(str(protocol.failure) or type(protocol.failure).__name__))
    return ", ".join(said) or "no close frame"
