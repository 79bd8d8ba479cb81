"""What the tests need to know of an engine, told of wscore: by its public names.

The tests of connections make one from a protocol without I/O, over a pair of sockets and without
an opening handshake, and another for the other end. Here the first is opened by `connect` or
`serve`, and the other one is that of websockets itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
from contextlib import suppress
from types import ModuleType
from typing import Any

from tests.asyncio.connection import InterceptingConnection
from websockets.frames import Frame as TheirFrame
from websockets.protocol import Side as TheirSide

from tests import protocol as recording

assert issubclass(recording.RecordingProtocol, object)

_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_RESPONSE = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def adapt(module: ModuleType) -> None:
    """Replace in *module*, one of tests, what is made for websockets' internals."""
    if module.__name__ == "tests.asyncio.test_connection":
        module.ClientConnectionTests.asyncSetUp = _set_up  # type: ignore[attr-defined]
        module.ClientConnectionTests.asyncTearDown = _tear_down  # type: ignore[attr-defined]
        module.ClientConnectionTests.wait_for_remote_side = _wait  # type: ignore[attr-defined]
    if hasattr(module, "get_uri"):
        module.get_uri = get_uri  # type: ignore[attr-defined]


def get_uri(server: Any, secure: bool | None = None) -> str:
    """The URI of *server*; websockets looks into asyncio's server for TLS."""
    if secure is None:
        secure = any(one._ssl_context is not None for one in server._sockets.accepting)
    (host, port) = next(s for s in server.sockets if s.family == socket.AF_INET).getsockname()
    return f"{'wss' if secure else 'ws'}://{host}:{port}"


class _Recording(recording.RecordingProtocol):  # type: ignore[misc]
    """Records frames as the tests know them: as those of `wscore.compat`."""

    def get_frames_rcvd(self) -> list[Any]:
        from websockets.frames import Frame, Opcode  # those of wscore.compat by now

        return [
            Frame(Opcode(frame.opcode), bytes(frame.data), frame.fin, frame.rsv1)
            for frame in super().get_frames_rcvd()
            if isinstance(frame, TheirFrame)
        ]


async def _set_up(self: Any) -> None:
    from websockets.protocol import CLIENT

    self.loop = asyncio.get_running_loop()
    self._ended = asyncio.Event()
    self._server = None
    options = {"compression": None, "ping_interval": None, "close_timeout": 2 * _unit()}
    if self.LOCAL is CLIENT:
        remote, side = await _open_client(self, options), TheirSide.SERVER
    else:
        remote, side = await _open_server(self, options), TheirSide.CLIENT
    self.transport = self.connection.transport
    _, self.remote_connection = await self.loop.create_connection(
        lambda: InterceptingConnection(_Recording(side)), sock=remote
    )


async def _wait(self: Any) -> None:
    """How many turns of the event loop a message takes is nobody's interface."""
    for _ in range(8):
        await asyncio.sleep(0)


def _unit() -> float:
    from tests.utils import MS

    return float(MS)


async def _open_client(self: Any, options: dict[str, Any]) -> socket.socket:
    from websockets.asyncio.client import connect

    local, remote = socket.socketpair()
    remote.setblocking(False)

    async def answer() -> None:
        head = await _read_head(remote)
        key = next(
            line.partition(b": ")[2]
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        await self.loop.sock_sendall(remote, _RESPONSE.format(accept).encode())

    answering = self.loop.create_task(answer())
    self.connection = await connect("ws://localhost/", sock=local, **options)
    await answering
    return remote


async def _open_server(self: Any, options: dict[str, Any]) -> socket.socket:
    from websockets.asyncio.server import serve

    opened = self.loop.create_future()

    async def handler(connection: Any) -> None:
        opened.set_result(connection)
        await self._ended.wait()

    self._server = await serve(handler, "127.0.0.1", 0, **options)
    remote = socket.socket()
    remote.setblocking(False)
    await self.loop.sock_connect(remote, self._server.sockets[0].getsockname())
    await self.loop.sock_sendall(remote, _REQUEST)
    await _read_head(remote)
    self.connection = await opened
    return remote


async def _read_head(sock: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await asyncio.get_running_loop().sock_recv(sock, 1)
    return head


async def _tear_down(self: Any) -> None:
    await self.remote_connection.close()
    with suppress(Exception):
        await self.connection.close()
    self._ended.set()
    if self._server is not None:
        self._server.close()
        await self._server.wait_closed()
