"""What goes into the log: who a record is about, and what peers sent made harmless."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..protocol.connection import as_bytes

if TYPE_CHECKING:
    from .._types import Buffer
    from .connection.connection import Connection
    from .connection.read_decoder import Deliver
    from .connection.sending import SendingWire

__all__ = ["about", "log_closed", "log_fragment", "log_opened", "log_refusal", "log_traffic",
           "logger", "shown", "traffic"]  # fmt: skip

logger = logging.getLogger("wscore")
# Every message, at debug level: a logger of its own, to be left out.
traffic = logging.getLogger("wscore.traffic")


def about(connection: SendingWire) -> dict[str, Any]:
    """The fields of every record about *connection*, for ``extra``."""
    return {"websocket": connection.id, "remote_address": connection.remote_address}


def shown(value: str | bytes, most: int = 75) -> str:
    """Quote what a peer sent: cut, and with no character that could forge or hide a line."""
    cut = repr(value[:most])
    return cut if len(value) <= most else f"{cut}... ({len(value)} in all)"


def log_opened(connection: Connection) -> None:
    """The opening handshake is done."""
    if logger.isEnabledFor(logging.DEBUG) and (request := connection.request) is not None:
        logger.debug("connection open: %s", shown(request.path), extra=about(connection))


def log_refusal(connection: Connection, reason: str) -> None:
    """The server did not open the connection; *reason* is a word of ours."""
    if logger.isEnabledFor(logging.INFO):
        error = connection.protocol.handshake_error
        # The text of an error may repeat what the peer sent.
        text = "" if error is None else f": {shown(str(error))}"
        logger.info("handshake refused: %s%s", reason, text, extra=about(connection))


def log_traffic(connection: Connection, deliver: Deliver) -> Deliver:
    """Log each message from now on; returns what takes reads in place of *deliver*.

    A connection asks for this once, when it opens: others do not pay for it.
    """
    write = connection.write

    def logged_write(message: str | Buffer, *options: Any, **named: Any) -> bool:
        traffic.debug("sending %s", _shown_data(message), extra=about(connection))
        return write(message, *options, **named)

    def logged_deliver(events: list[Any], nbytes: int, mixed: bool) -> None:
        for event in events:
            text = shown(event) if isinstance(event, (str, bytes)) else shown(str(event))
            traffic.debug("received %s", text, extra=about(connection))
        deliver(events, nbytes, mixed)

    connection.write = logged_write
    return logged_deliver


def log_fragment(connection: SendingWire, data: str | Buffer) -> None:
    """A fragment of a message was sent."""
    if traffic.isEnabledFor(logging.DEBUG):
        traffic.debug("sending fragment %s", _shown_data(data), extra=about(connection))


def _shown_data(data: str | Buffer) -> str:
    return shown(data if isinstance(data, str) else as_bytes(data))


def log_closed(connection: Connection) -> None:
    """The connection, which was open, is gone."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("connection closed: %s", _ending(connection), extra=about(connection))


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
