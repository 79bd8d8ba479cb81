"""What tests see of the inside of connections and servers; no other test file names it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from wscore.aio.client import dialing, tls

if TYPE_CHECKING:
    import ssl

    import pytest

    from wscore import Connection, Server
    from wscore.aio.connection.send_queue import SendQueue
    from wscore.aio.connection.wire import Wire
    from wscore.aio.server.host import ServerHost
    from wscore.aio.server.sockets import ServerSockets

__all__ = [
    "host_of",
    "is_decoding",
    "name_addresses",
    "send_queue_of",
    "set_default_tls",
    "sockets_of",
    "wire_of",
]


def wire_of(ws: Connection) -> Wire:
    return ws._wire


def is_decoding(ws: Connection) -> bool:
    """Whether a message is being decoded on another thread."""
    return ws._wire.receiver.is_behind  # type: ignore[union-attr]


def send_queue_of(ws: Connection) -> SendQueue | None:
    """Messages that wait to be written; None before there were any."""
    return ws._wire.send_queue


def host_of(server: Server) -> ServerHost:
    return server._host


def sockets_of(server: Server) -> ServerSockets:
    return server._sockets


def set_default_tls(monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext | None) -> None:
    """Have clients that bring no context use this one; with None, they make it."""
    monkeypatch.setattr(tls, "_context", context)


def name_addresses(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, list[tuple[str, int]]]
) -> None:
    """Give clients these IPv4 addresses of *names*, whatever the resolver and the port say."""
    resolve = dialing._How.resolve

    async def resolve_named(how: Any, address: tuple[str, int]) -> list[Any]:
        if address[0] not in names:
            return await resolve(how, address)
        kind = socket.AF_INET, socket.SOCK_STREAM, 0, ""
        return [(*kind, known) for known in names[address[0]]]

    monkeypatch.setattr(dialing._How, "resolve", resolve_named)
