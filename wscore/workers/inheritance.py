"""Processes that the application starts do not get the sockets that its server listens on.

They may outlive the server. Then connections would wait where nobody accepts them, and no other
server could have the port.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket as Socket

    from ..aio.server.server import Server

__all__ = ["KeptBack"]


class KeptBack:
    """*sockets*, and those of `server` once there is one."""

    def __init__(self, sockets: Sequence[Socket]) -> None:
        self._sockets = list(sockets)
        self.server: Server | None = None
        for sock in sockets:
            sock.set_inheritable(False)  # those of a worker are not, for `os.system`
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._replace)

    def _replace(self) -> None:
        """Put something else in their place: what has their descriptors here still closes them."""
        own = [] if self.server is None else self.server.sockets
        descriptors = [sock.fileno() for sock in (*self._sockets, *own)]
        # Once is enough: later, the descriptors may be those of other files.
        self._sockets, self.server = [], None
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in descriptors:
            if descriptor >= 0:
                os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)
