"""What goes into the logs: the logger, who it is about, and text of the peer made harmless."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["about", "logger", "shown"]

logger = logging.getLogger("wscore")


def about(connection: Connection) -> dict[str, Any]:
    """The fields of each record about *connection*, for ``extra``."""
    return {"websocket": connection.id, "remote_address": connection.remote_address}


def shown(value: str | bytes, most: int = 75) -> str:
    """Quote what a peer sent: cut, and without a character that could forge or hide a line."""
    cut = value[:most]
    return repr(cut) if len(cut) == len(value) else f"{cut!r}... ({len(value)} in all)"
