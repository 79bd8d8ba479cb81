"""The two small protocols of systemd: sockets that it has opened, and telling it of our state."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

__all__ = ["inherited_sockets", "notify"]

_FIRST = 3  # SD_LISTEN_FDS_START


def inherited_sockets() -> list[socket.socket]:
    """The listening sockets that this process was started with; none without socket activation.

    The processes it starts are not told of them. Raises OSError for what is no stream socket.
    """
    meant, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if meant != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = [socket.socket(fileno=_FIRST + index) for index in range(int(count))]
    for sock in sockets:
        os.set_inheritable(sock.fileno(), False)
        if sock.type != socket.SOCK_STREAM:
            raise OSError("systemd gave a socket that is not for streams: use ListenStream=")
    return sockets


def notify(state: str) -> None:
    """Tell systemd, with ``Type=notify``: ``READY=1`` or ``STOPPING=1``. Otherwise do nothing."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    if where.startswith("@"):  # in the abstract namespace of Linux
        where = "\0" + where[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), where)
