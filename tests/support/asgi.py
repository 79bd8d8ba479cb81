"""ASGI applications under uvicorn's HTTP protocols, in the event loop of the test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import ServerState

import wscore
from support.rawpeer import CLOSE, raw_connection, until
from wscore.asgi import WebSocketProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from support.rawpeer import RawPeer

__all__ = ["HTTP", "Hosted", "Recorder", "accepting", "accepting_late", "answer_close", "hosted"]

# uvicorn's implementations of HTTP, which pass requests on in their own ways.
HTTP = ["h11", "httptools"]
DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"


class Hosted:
    """What uvicorn has for its connections, without its signals and its pauses."""

    def __init__(self, config: Config, state: ServerState) -> None:
        self.config, self.state = config, state
        self.server: asyncio.Server
        self.secure: ssl.SSLContext | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def protocol(self) -> WebSocketProtocol:
        """The only connection."""
        [protocol] = self.state.connections
        assert isinstance(protocol, WebSocketProtocol)
        return protocol

    def connect(self, path: str = "/", **options: Any) -> wscore.connect:
        scheme = "wss" if "ssl" in options else "ws"
        return wscore.connect(f"{scheme}://127.0.0.1:{self.address[1]}{path}", **options)

    def raw(
        self, path: str = "/", *extra: str, status: int = 101
    ) -> AbstractAsyncContextManager[RawPeer]:
        """A client of raw bytes; see `raw_connection`."""
        return raw_connection(*self.address, path, *extra, status=status)

    def shutdown(self) -> None:
        """What uvicorn does first when it is told to stop."""
        for protocol in list(self.state.connections):
            protocol.shutdown()

    async def finished(self) -> None:
        """Wait until all applications and connections have ended."""
        await until(lambda: not self.state.tasks and not self.state.connections)


@asynccontextmanager
async def hosted(
    app: Any,
    *,
    app_state: dict[str, Any] | None = None,
    ssl: ssl.SSLContext | None = None,
    unix: str | None = None,
    **options: Any,
) -> AsyncIterator[Hosted]:
    """*app* under uvicorn, as its `Config` with *options* says."""
    given = {"ws": WebSocketProtocol, "http": "h11", "lifespan": "off", "log_config": None}
    config = Config(app, **(given | options))
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", DATE), *config.encoded_headers]
    under = Hosted(config, state)
    loop = asyncio.get_running_loop()

    def make() -> Any:
        return config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=state, app_state=app_state or {}, _loop=loop
        )

    if unix is None:
        under.server = await loop.create_server(make, "127.0.0.1", 0, ssl=ssl)
    else:
        under.server = await loop.create_unix_server(make, unix, ssl=ssl)
    try:
        yield under
        await under.finished()
    finally:
        under.server.close()
        for protocol in list(state.connections):
            if isinstance(protocol, WebSocketProtocol):
                protocol.abort()
            else:
                protocol.shutdown()
        for task in list(state.tasks):
            task.cancel()
        await under.server.wait_closed()


class Recorder:
    """An application that keeps what it is told: scope, events in order, errors of `send`."""

    def __init__(self, script: Callable[[Recorder], Any] | None = None) -> None:
        self.script = script
        self.scope: dict[str, Any] = {}
        self.events: list[Any] = []
        self.errors: list[BaseException] = []
        self.receive: Any = None
        self._send: Any = None
        self.runs = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.runs += 1
        self.scope, self.receive, self._send = scope, receive, send
        if self.script is not None:
            return await self.script(self)
        await self.next()
        await self.send("websocket.accept")
        while (await self.next())["type"] != "websocket.disconnect":
            pass
        return None

    @property
    def ws(self) -> wscore.ServerConnection:
        """The connection of the engine."""
        return self.scope["extensions"]["wscore"]["connection"]  # type: ignore[no-any-return]

    async def next(self) -> Any:
        event = await self.receive()
        self.events.append(event)
        return event

    async def send(self, kind: str, **fields: Any) -> None:
        await self.send_event({"type": kind, **fields})

    async def send_event(self, event: Any) -> None:
        try:
            await self._send(event)
        except BaseException as error:
            self.errors.append(error)
            raise


async def answer_close(peer: RawPeer) -> int:
    """Answer the Close that has to come next; returns its code."""
    close = await peer.frame()
    assert close.opcode == CLOSE
    peer.send(close)
    return int.from_bytes(close.payload[:2], "big")


def accepting(script: Callable[[Recorder], Any]) -> Recorder:
    """An application that accepts the handshake before *script*."""

    async def accepted(app: Recorder) -> Any:
        assert await app.next() == {"type": "websocket.connect"}
        await app.send("websocket.accept")
        return await script(app)

    return Recorder(accepted)


def accepting_late() -> Recorder:
    """An application that accepts when the client, or the server, has given up already."""

    async def late(app: Recorder) -> None:
        await app.next()
        await app.next()
        await app.send("websocket.accept")

    return Recorder(late)
