"""Socket.IO: python-socketio's own client, by WebSocket at once and by upgrading from polling."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import socketio
from frameworks.serving import PATIENCE, app_of
from socketio.exceptions import ConnectionError as Refused
from support.rawpeer import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from frameworks.serving import Served

    Run = Callable[[Any], Any]

APP = app_of("socketio_chat")
WEBSOCKET = ["websocket"]
TRANSPORTS = pytest.mark.parametrize(
    "transports", [WEBSOCKET, ["polling", "websocket"]], ids=["websocket", "upgraded"]
)


class Client:
    """A client that keeps what it hears."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncClient(reconnection=False)
        self.heard: list[Any] = []
        self.sio.on("said", self.heard.append)
        self.sio.on("shared", self.heard.append)

    async def call(self, event: str, *data: Any) -> Any:
        """Send an event and wait for its acknowledgement."""
        return await self.sio.call(event, data, timeout=PATIENCE)


@asynccontextmanager
async def client(
    served: Served, name: str, transports: list[str] = WEBSOCKET
) -> AsyncIterator[Client]:
    """One that is connected by WebSocket, whatever it has begun with."""
    client = Client()
    await client.sio.connect(
        f"http://{served.host}", auth={"name": name}, transports=transports, wait_timeout=PATIENCE
    )
    try:
        await until(lambda: client.sio.transport() == "websocket")
        yield client
    finally:
        await client.sio.disconnect()


@TRANSPORTS
def test_a_room(run: Run, served: Served, transports: list[str]) -> None:
    async def main() -> None:
        async with (
            client(served, "Ada", transports) as ada,
            client(served, "Grace", transports) as grace,
            client(served, "Eve", transports) as eve,
        ):
            assert await ada.call("join", "lobby") == ["Ada"]
            assert await grace.call("join", "lobby") == ["Ada", "Grace"]
            assert await eve.call("join", "elsewhere") == ["Eve"]
            await ada.sio.emit("say", ("lobby", "Grüße 👋"))
            await until(lambda: ada.heard and grace.heard)
            await eve.call("join", "elsewhere")  # the answer comes after what she might have heard
            assert ada.heard == grace.heard == [{"name": "Ada", "text": "Grüße 👋"}]
            assert eve.heard == []

    run(main())


@TRANSPORTS
@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"\xff" * 900_000], ids=len)
def test_binary(run: Run, served: Served, transports: list[str], content: bytes) -> None:
    async def main() -> None:
        async with client(served, "Ada") as ada, client(served, "Grace", transports) as grace:
            await ada.call("join", "files")
            await grace.call("join", "files")
            assert await ada.call("share", "files", content) == len(content)
            await until(lambda: grace.heard)
            assert grace.heard == [content]
            assert ada.heard == []

    run(main())


@TRANSPORTS
@pytest.mark.parametrize("auth", [None, {"name": ""}])
def test_a_rejected_connection(run: Run, served: Served, auth: Any, transports: list[str]) -> None:
    """That of Socket.IO, which comes after the handshake."""

    async def main() -> None:
        sio = socketio.AsyncClient(reconnection=False)
        rejections: list[Any] = []
        sio.on("connect_error", rejections.append)
        with pytest.raises(Refused):
            await sio.connect(
                f"http://{served.host}", auth=auth, transports=transports, wait_timeout=PATIENCE
            )
        assert rejections == [{"message": "a name is needed"}]
        await sio.disconnect()

    run(main())


def test_a_session_that_does_not_exist(run: Run, served: Served) -> None:
    """The server refuses the handshake."""

    async def main() -> None:
        for query in ("EIO=4&transport=websocket&sid=nobody", "EIO=2&transport=websocket"):
            with pytest.raises(Exception, match="403"):
                await served.connect(f"/socket.io/?{query}")

    run(main())


def test_fifty_members_of_whom_some_vanish(run: Run, served: Served) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            connecting = [client(served, str(number)) for number in range(50)]
            members = await asyncio.gather(*map(stack.enter_async_context, connecting))
            for member in members:
                present = await member.call("join", "many")
            assert present == sorted(map(str, range(50)))
            vanishing, staying = members[:20], members[20:]
            for member in vanishing:
                member.sio.eio.ws._writer.transport.abort()
            while len(present) > 30:
                present = await staying[0].call("join", "many")
            assert present == [str(number) for number in range(20, 50)]
            await staying[0].sio.emit("say", ("many", "hello"))
            await until(lambda: all(member.heard for member in staying))
            assert all(m.heard == [{"name": "20", "text": "hello"}] for m in staying)

    run(main())
