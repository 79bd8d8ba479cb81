"""Clients that stay, and see which process serves them and how it ends."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.client import ClientConnection

    from support.asgi_servers import AsgiServer

__all__ = ["Visitors", "code_of"]


class Visitors:
    """Open connections, by the number of the process that serves them."""

    def __init__(self, server: AsgiServer, stack: ExitStack) -> None:
        self._server, self._stack = server, stack
        self.by_worker: dict[int, list[ClientConnection]] = {}

    def come(self) -> None:
        """Open one more. It may find a worker that is about to end."""
        try:
            ws = self._stack.enter_context(self._server.connect())
            ws.send("pid")
            self.by_worker.setdefault(int(ws.recv()), []).append(ws)
        except (ConnectionClosed, OSError, EOFError):
            pass

    def come_until(self, enough: Callable[[], bool]) -> None:
        """Open more and more, until *enough*."""

        def more() -> bool:
            self.come()
            return enough()

        eventually(more)

    def of(self, worker: int) -> list[ClientConnection]:
        return self.by_worker[worker]

    def codes(self) -> set[int | None]:
        """The codes with which all are closed."""
        return {code_of(ws) for worker in self.by_worker.values() for ws in worker}


def code_of(ws: ClientConnection) -> int | None:
    """The code with which the server closes."""
    with pytest.raises(ConnectionClosed):
        ws.recv(timeout=20)
    return ws.close_code
