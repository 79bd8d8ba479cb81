"""The other ends of what calls.py counts: plain sockets on another thread."""

from __future__ import annotations

import base64
import hashlib
import queue
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["DEFLATE", "LATER", "Orders", "dial", "start_client", "start_server"]

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
# A peer acts this many seconds after its order, so that wscore has begun to wait.
LATER = 0.01

_UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
_REQUEST = (
    f"GET / HTTP/1.1\r\nHost: localhost\r\n{_UPGRADE}"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3

Orders = queue.SimpleQueue[bytes]


def dial(port: int, extra: str = "") -> socket.socket:
    """Connect and send a request with the header lines *extra*."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(f"{_REQUEST}{extra}\r\n".encode())
    return peer


def start_client(port: int, orders: Orders, extra: str | None) -> None:
    """Send what is ordered; with None for *extra*, open and leave a connection for each order."""
    if extra is None:
        _start(_knock, port, orders)
    else:
        _start(_talk, port, orders, extra)


def start_server(hold: Callable[[socket.socket], object]) -> str:
    """Return the URI of a server that cuts each connection when *hold* returns."""
    listening = socket.create_server(("127.0.0.1", 0))
    _start(_answer, listening, hold)
    return f"ws://127.0.0.1:{listening.getsockname()[1]}/"


def _start(peer: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=peer, args=arguments, daemon=True).start()


def _read_head(peer: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(65536) or b"\r\n\r\n"
    return head


def _talk(port: int, orders: Orders, extra: str) -> None:
    with dial(port, extra) as peer:
        assert (b"permessage-deflate" in _read_head(peer)) is bool(extra)
        while True:
            order = orders.get()
            time.sleep(LATER)
            peer.sendall(order)


def _knock(port: int, orders: Orders) -> None:
    while True:
        orders.get()
        time.sleep(LATER)
        with dial(port) as peer:
            _read_head(peer)


def _answer(listening: socket.socket, hold: Callable[[socket.socket], object]) -> None:
    while True:
        peer = listening.accept()[0]
        with peer:
            found = re.search(rb"Sec-WebSocket-Key: (\S+)", _read_head(peer))
            assert found is not None
            accept = base64.b64encode(hashlib.sha1(found[1] + _GUID).digest()).decode()
            head = f"HTTP/1.1 101 Switching Protocols\r\n{_UPGRADE}Sec-WebSocket-Accept: {accept}"
            peer.sendall(f"{head}\r\n\r\n".encode())
            hold(peer)
            time.sleep(LATER)
