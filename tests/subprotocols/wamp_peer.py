"""Clients of the WAMP router of the examples that send what they like, one message at a time."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import wscore
from examples import wamp_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.asgi_servers import AsgiServer

__all__ = [
    "ABORT", "CALL", "ERROR", "EVENT", "GOODBYE", "HELLO", "INVOCATION", "PUBLISH", "PUBLISHED",
    "REGISTER", "REGISTERED", "RESULT", "ROLES", "SUBSCRIBE", "SUBSCRIBED", "UNREGISTER",
    "UNREGISTERED", "UNSUBSCRIBE", "UNSUBSCRIBED", "VIOLATION", "WELCOME", "WIRES", "YIELD",
    "Peer", "opened", "running",
]  # fmt: skip

HELLO, WELCOME, ABORT, GOODBYE, ERROR = 1, 2, 3, 6, 8
PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED = 16, 17, 32, 33, 34, 35
EVENT, CALL, RESULT, REGISTER, REGISTERED = 36, 48, 50, 64, 65
UNREGISTER, UNREGISTERED, INVOCATION, YIELD = 66, 67, 68, 70
VIOLATION = "wamp.error.protocol_violation"
ROLES = {"roles": {"caller": {}, "callee": {}, "publisher": {}, "subscriber": {}}}
WIRES = ["wamp.2.json", "wamp.2.msgpack"]


class Peer:
    """One that sends what it likes."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.is_json = ws.subprotocol == "wamp.2.json"

    async def send(self, *message: Any) -> None:
        await self.ws.send(json.dumps(message) if self.is_json else msgpack.packb(message))

    async def recv(self) -> Any:
        message = await self.ws.recv()
        assert isinstance(message, str) is self.is_json
        return json.loads(message) if self.is_json else msgpack.unpackb(message)  # type: ignore[arg-type]

    async def ask(self, *message: Any) -> Any:
        await self.send(*message)
        return await self.recv()

    async def enter(self, realm: str = "realm1") -> Peer:
        code, session, details = await self.ask(HELLO, realm, ROLES)
        assert code == WELCOME
        assert 0 < session <= 2**53
        assert details["roles"].keys() == {"broker", "dealer"}
        return self

    async def ended(self) -> int | None:
        """The close code; nothing else may come."""
        with pytest.raises(ConnectionClosed):
            await self.ws.recv()
        return self.ws.close_code


class opened(connect):
    """A peer on a connection to the router, as a context."""

    def __init__(self, router: AsgiServer | int, wire: str) -> None:
        port = router if isinstance(router, int) else router.port
        options: Any = {"subprotocols": [wire], "max_size": None, "ping_interval": None}
        super().__init__(f"ws://127.0.0.1:{port}/", proxy=None, **options)

    async def __aenter__(self) -> Peer:  # type: ignore[override]
        return Peer(await super().__aenter__())


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[int]:
    """A router in this process, whose only realm is realm1; the port."""
    limits: Any = {"subprotocols": WIRES, "require_subprotocol": True, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wamp_router, "realms", {"realm1"})
        async with wscore.serve(wamp_router.Session, "127.0.0.1", 0, **limits) as server:
            yield server.sockets[0].getsockname()[1]
    for state in (wamp_router.sessions, wamp_router.topics, wamp_router.procedures):
        assert not state
