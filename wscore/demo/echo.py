"""Echoes every message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aio import Listener

if TYPE_CHECKING:
    from ..aio import Connection

__all__ = ["Echo"]


class Echo(Listener):
    """Echoes every message."""

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        ws.write(message)
