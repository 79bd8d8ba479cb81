"""Small functions of the opening handshake and of frames."""

from __future__ import annotations

import socket

from ..._backend import apply_mask as _apply_mask
from ...protocol.handshake import accept_key, generate_key
from .typing import BytesLike

__all__ = ["accept_key", "apply_mask", "generate_key", "get_socket_name"]


def apply_mask(data: BytesLike, mask: bytes | bytearray) -> bytes:
    """Return *data* XORed with the repeated four bytes of *mask*.

    Raises TypeError, and ValueError for a mask of another size.
    """
    if isinstance(data, memoryview) and not data.c_contiguous:
        data = bytes(data)  # websockets takes slices with a step, too
    return _apply_mask(data, mask)


def get_socket_name(sock: socket.socket) -> str:
    """Return where *sock* is bound to, as ``host:port`` or a path. Raises ValueError."""
    name = sock.getsockname()
    if sock.family == socket.AF_INET:
        return f"{name[0]}:{name[1]}"
    if sock.family == socket.AF_INET6:
        return f"[{name[0]}]:{name[1]}"
    if sock.family == getattr(socket, "AF_UNIX", None):
        return str(name)
    raise ValueError(f"not a socket for WebSocket: {sock.family!r}")
