"""Other libraries as clients of our server and as servers for our client, on one event loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import wscore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

DEADLINE = 30.0
MESSAGES: list[str | bytes] = [
    "", "text", "Grüße €𝄞" * 100, b"", bytes(range(256)), b"x" * 70_000, "y" * 900_000,
]  # fmt: skip
# The close that our side begins, and the one that the peer begins.
OURS, THEIRS = (4000, "ours"), (4001, "theirs")


def _run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, DEADLINE))


# Their clients, our server -----------------------------------------------------------------------


async def _client_websockets(uri: str) -> tuple[list[Any], Any]:
    websockets = pytest.importorskip("websockets.asyncio.client")
    async with websockets.connect(uri, subprotocols=["chat"], max_size=None) as ws:
        assert ws.subprotocol == "chat"
        got = []
        for message in MESSAGES:
            await ws.send(message)
            got.append(await ws.recv())
        await ws.send(["in ", "parts"])
        got.append(await ws.recv())
        await (await ws.ping())
        await ws.close(*THEIRS)
        return got, (ws.close_code, ws.close_reason)


async def _client_aiohttp(uri: str) -> tuple[list[Any], Any]:
    aiohttp = pytest.importorskip("aiohttp")
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(uri, protocols=["chat"])
        assert ws.protocol == "chat"
        got = []
        for message in [*MESSAGES, "in parts"]:
            await (ws.send_str if isinstance(message, str) else ws.send_bytes)(message)
            got.append((await ws.receive()).data)
        await ws.ping(b"p")
        await ws.close(code=THEIRS[0], message=THEIRS[1].encode())
        # It keeps no reason.
        return got, (ws.close_code, THEIRS[1])


async def _client_websocket_client(uri: str) -> tuple[list[Any], Any]:
    websocket = pytest.importorskip("websocket")

    def talk() -> tuple[list[Any], Any]:
        ws = websocket.create_connection(uri, subprotocols=["chat"], timeout=DEADLINE)
        assert ws.subprotocol == "chat"
        got = []
        for message in MESSAGES:
            text = isinstance(message, str)
            ws.send(message, opcode=websocket.ABNF.OPCODE_TEXT if text else 2)
            got.append(ws.recv())
        for fin, part in ((0, "in "), (1, "parts")):
            opcode = websocket.ABNF.OPCODE_CONT if fin else websocket.ABNF.OPCODE_TEXT
            ws.send_frame(websocket.ABNF.create_frame(part, opcode, fin))
        got.append(ws.recv())
        ws.ping("p")
        ws.send_close(*THEIRS[:1], reason=THEIRS[1].encode())
        opcode, data = ws.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        ws.shutdown()
        return got, (int.from_bytes(data[:2], "big"), data[2:].decode())

    return await asyncio.to_thread(talk)


async def _client_picows(uri: str) -> tuple[list[Any], Any]:
    picows = pytest.importorskip("picows")
    answers: asyncio.Queue[Any] = asyncio.Queue()

    class Listener(picows.WSListener):  # type: ignore[misc, name-defined]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.CLOSE:
                answers.put_nowait(
                    (int(frame.get_close_code()), frame.get_close_message().decode())
                )
                transport.disconnect()
            elif frame.msg_type == picows.WSMsgType.TEXT:
                answers.put_nowait(frame.get_payload_as_utf8_text())
            elif frame.msg_type == picows.WSMsgType.BINARY:
                answers.put_nowait(frame.get_payload_as_bytes())

    transport, _ = await picows.ws_connect(Listener, uri)
    got = []
    for message in [*MESSAGES, "in parts"]:
        text = isinstance(message, str)
        kind = picows.WSMsgType.TEXT if text else picows.WSMsgType.BINARY
        transport.send(kind, message.encode() if text else message)
        got.append(await answers.get())
    transport.send_ping(b"p")
    transport.send_close(picows.WSCloseCode(THEIRS[0]), THEIRS[1].encode())
    close = await answers.get()
    await transport.wait_disconnected()
    return got, close


CLIENTS = [_client_websockets, _client_aiohttp, _client_websocket_client, _client_picows]


@pytest.mark.parametrize("listener", [False, True], ids=["coroutine", "listener"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__[8:])
def test_their_client(client: Callable[[str], Any], listener: bool) -> None:
    closes: list[Any] = []
    pings: list[bytes] = []

    async def echo(ws: wscore.Connection) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            closes.append((ws.close_code, ws.close_reason))

    class Echo(wscore.Listener):
        def on_message(self, ws: wscore.Connection, message: Any) -> None:
            ws.write(message)

        def on_ping(self, ws: wscore.Connection, payload: bytes) -> None:
            pings.append(payload)

        def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
            closes.append(tuple(close))

    async def main() -> tuple[list[Any], Any]:
        handler = Echo if listener else echo
        async with wscore.serve(handler, "127.0.0.1", 0, subprotocols=["chat"]) as server:
            port = server.sockets[0].getsockname()[1]
            return await client(f"ws://127.0.0.1:{port}/")

    got, close = _run(main())
    expected = [*MESSAGES, "in parts"]
    assert [as_bytes(message) for message in got] == [as_bytes(m) for m in expected]
    assert close == THEIRS
    assert closes == [THEIRS]
    assert len(pings) == listener


def as_bytes(message: str | bytes) -> bytes:
    """websocket-client gives a str for empty binary messages, too."""
    return message.encode() if isinstance(message, str) else bytes(message)


# Their servers, our client -----------------------------------------------------------------------


@asynccontextmanager
async def _server_websockets(closes: list[Any]) -> AsyncIterator[int]:
    websockets = pytest.importorskip("websockets.asyncio.server")

    async def echo(ws: Any) -> None:
        async for message in ws:
            if message == "close":
                await ws.close(*THEIRS)
            else:
                await ws.send(message)
        closes.append((ws.close_code, ws.close_reason))

    async def guarded(ws: Any) -> None:
        try:
            await echo(ws)
        except Exception:
            closes.append((ws.close_code, ws.close_reason))

    async with websockets.serve(guarded, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _server_aiohttp(closes: list[Any]) -> AsyncIterator[int]:
    web = pytest.importorskip("aiohttp.web")

    async def echo(request: Any) -> Any:
        ws = web.WebSocketResponse(protocols=["chat"])
        await ws.prepare(request)
        async for message in ws:
            if message.data == "close":
                await ws.close(code=THEIRS[0], message=THEIRS[1].encode())
            elif isinstance(message.data, str):
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        # It keeps no reason.
        closes.append((ws.close_code, OURS[1] if ws.close_code == OURS[0] else THEIRS[1]))
        return ws

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _server_picows(closes: list[Any]) -> AsyncIterator[int]:
    picows = pytest.importorskip("picows")

    class Echo(picows.WSListener):  # type: ignore[misc, name-defined]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.CLOSE:
                code, reason = frame.get_close_code(), frame.get_close_message()
                closes.append((int(code), reason.decode()))
                transport.send_close(code, reason)
                transport.disconnect()
            elif frame.msg_type == picows.WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif frame.get_payload_as_bytes() == b"close":
                transport.send_close(picows.WSCloseCode(THEIRS[0]), THEIRS[1].encode())
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes(), fin=frame.fin)

    server = await picows.ws_create_server(lambda _request: Echo(), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


SERVERS = [_server_websockets, _server_aiohttp, _server_picows]
# Who does not echo our Close (RFC 6455 5.5.1: "typically"), answers this.
ANSWERS = {_server_aiohttp: (1000, "")}


@pytest.mark.parametrize("we_close", [True, False], ids=["we-close", "they-close"])
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__[8:])
def test_their_server(server: Any, we_close: bool, caplog: pytest.LogCaptureFixture) -> None:
    closes: list[Any] = []

    async def main() -> None:
        offered = [] if server is _server_picows else ["chat"]
        async with server(closes) as port:
            ws = await wscore.connect(f"ws://127.0.0.1:{port}/", subprotocols=offered)
            assert [ws.subprotocol] == (offered or [None])
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "parts"])
            assert await ws.recv() == "in parts"
            assert await (await ws.ping(b"p")) > 0
            if we_close:
                await ws.close(*OURS)
            else:
                await ws.send("close")
                with pytest.raises(wscore.ConnectionClosedError):
                    await ws.recv()
            close = ANSWERS.get(server, OURS) if we_close else THEIRS
            assert (ws.close_code, ws.close_reason) == close

    _run(main())
    assert closes == [OURS if we_close else THEIRS]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
