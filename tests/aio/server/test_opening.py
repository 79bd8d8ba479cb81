"""What a server answers to requests of all kinds, whole and byte by byte."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of
from support.rawpeer import echo, raw_client, request, serving, uri

import wscore
from wscore import InvalidMessage, InvalidStatus, NegotiationError, Response
from wscore.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

SIZES = pytest.mark.parametrize("size", [1, 1 << 30])
HEAD = b"HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer(server: wscore.Server, data: bytes, size: int = 1 << 30) -> bytes:
    """All that *server* sends, at once if that is the head of a 101, after *data* in pieces."""
    async with raw_client(server, shake=False) as peer:
        for start in range(0, len(data), size):
            peer.write(data[start : start + size])
            await asyncio.sleep(0)
        head = await peer.read_head()
        return head if b" 101 " in head else head + await peer.reader.read()


def status_of(answered: bytes) -> int:
    return int(answered.split(b" ")[1])


# What is no HTTP


@SIZES
@pytest.mark.parametrize(
    "junk",
    [
        bytes.fromhex("160301020001000001fc0303") + b"\xaa" * 500,
        b"\0",
        b"hello\r\n",
        b"not http at all",
        b"GET /\r\n",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    ],
)
def test_junk_is_not_waited_for(run: Run, junk: bytes, size: int) -> None:
    async def main() -> None:
        async with serving(echo, open_timeout=None) as server:
            async with raw_client(server, shake=False) as peer:
                for start in range(0, len(junk), size):
                    peer.write(junk[start : start + size])
                    await asyncio.sleep(0)
                assert (await peer.reader.read()).startswith(b"HTTP/1.1 400 ")
            assert server.stats.handshakes_refused == {"invalid": 1}

    run(main())


def test_a_client_does_not_wait_for_the_rest_of_what_is_no_http(run: Run) -> None:
    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-")
        await reader.read()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(ssh, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            with pytest.raises(InvalidMessage, match="status line"):
                await wscore.connect(f"ws://{host}:{port}/", open_timeout=None)

    run(main())


# HEAD


@SIZES
@pytest.mark.parametrize(
    ("options", "path", "status"),
    [
        ({"process_request": lambda ws, request: ws.respond(200, "OK\n")}, b"/", 200),
        ({}, b"/", 405),
        ({}, b"/#", 400),
        ({"max_connections": 1}, b"/", 503),
    ],
)
def test_the_answer_to_head_has_no_content(
    run: Run, options: dict[str, Any], path: bytes, status: int, size: int
) -> None:
    async def main() -> None:
        async with serving(echo, **options) as server:
            if status == 503:
                await wscore.connect(uri(server))
            answered = await answer(server, HEAD % path, size)
            assert status_of(answered) == status
            assert b"Content-Length: " in answered
            assert answered.endswith(b"\r\n\r\n")

    run(main())


# Limits


COOKIE = "Cookie: a=" + "b" * 8700


@SIZES
def test_a_longer_cookie_can_be_allowed(run: Run, size: int) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            assert status_of(await answer(server, request("/", COOKIE), size)) == 431
        async with serving(echo, max_line_size=10_000, origins=[None]) as server:
            assert status_of(await answer(server, request("/", COOKIE), size)) == 101
            [connection] = server.connections
            assert len(connection.request.headers["Cookie"]) == 8702

    run(main())


@SIZES
@pytest.mark.parametrize(
    ("options", "extra", "status"),
    [
        ({"max_line_size": 256}, "X: " + "a" * 254, 431),
        ({"max_headers": 8}, "X: a", 101),
        ({"max_headers": 8}, "X: a\r\nY: b\r\nZ: c\r\nA: d", 431),
        ({"max_head_size": 1024}, "X: " + "a" * 900, 431),
    ],
)
def test_lower_limits_hold_for_the_fast_path_too(
    run: Run, options: dict[str, Any], extra: str, status: int, size: int
) -> None:
    async def main() -> None:
        async with serving(echo, **options) as server:
            assert status_of(await answer(server, request("/", extra), size)) == status

    run(main())


def test_a_client_has_the_same_limits(run: Run) -> None:
    def long(ws: wscore.ServerConnection, request: Any, response: Response) -> None:
        response.headers["X-Long"] = "a" * 9000

    async def main() -> None:
        async with serving(echo, process_response=long) as server:
            with pytest.raises(InvalidMessage, match="more than 8192 bytes"):
                await wscore.connect(uri(server))
            async with wscore.connect(uri(server), max_line_size=10_000) as ws:
                assert len(ws.response.headers["X-Long"]) == 9000

    run(main())


def test_so_much_is_kept_of_the_body_of_a_refusal(run: Run) -> None:
    def refuse(ws: wscore.ServerConnection, request: Any) -> Response:
        return ws.respond(403, "a" * 2_000_000)

    async def main() -> None:
        async with serving(echo, process_request=refuse) as server:
            for options, kept in ({}, 1 << 20), ({"max_body_size": 10}, 10):
                with pytest.raises(InvalidStatus) as caught:
                    await wscore.connect(uri(server), **options)
                assert caught.value.response.body == b"a" * kept

    run(main())


# Origins and subprotocols


@SIZES
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("file://", 101),
        ("null", 101),
        ("https://a.example.com", 101),
        ("https://a.example.com.evil.org", 403),
        (None, 101),
    ],
)
def test_origins(run: Run, origin: str | None, status: int, size: int) -> None:
    allowed = ["file://", "null", None, re.compile(r"https://[a-z]+\.example\.com")]
    extra = [] if origin is None else [f"Origin: {origin}"]

    async def main() -> None:
        async with serving(echo, origins=allowed) as server:
            assert status_of(await answer(server, request("/", *extra), size)) == status

    run(main())


@SIZES
@pytest.mark.parametrize(("offered", "status"), [(None, 400), ("b", 400), ("b, chat", 101)])
def test_a_subprotocol_may_be_required(
    run: Run, offered: str | None, status: int, size: int
) -> None:
    extra = [] if offered is None else [f"Sec-WebSocket-Protocol: {offered}"]

    async def main() -> None:
        async with serving(echo, subprotocols=["chat"]) as server:
            answered = await answer(server, request("/", *extra), size)
            assert status_of(answered) == 101  # RFC 6455 4.2.2
            assert (b"Sec-WebSocket-Protocol" in answered) is (status == 101)
        async with serving(echo, subprotocols=["chat"], require_subprotocol=True) as server:
            assert status_of(await answer(server, request("/", *extra), size)) == status
            assert server.stats.handshakes_refused == ({} if status == 101 else {"subprotocol": 1})
        async with serving(echo, require_subprotocol=True) as server:
            assert status_of(await answer(server, request("/", *extra), size)) == 101

    run(main())


def test_a_function_selects_the_subprotocol_of_a_connection(run: Run) -> None:
    seen: list[Any] = []

    def select(ws: wscore.ServerConnection, offered: list[str]) -> str | None:
        seen.append((type(ws), ws.request.path, offered))
        if "bad" in offered:
            raise NegotiationError("bad")
        return offered[0] if offered else None

    async def main() -> None:
        async with serving(echo, subprotocols=["x"], select_subprotocol=select) as server:
            for offered, status in (([], 101), (["a", "b"], 101), (["bad"], 400)):
                extra = [f"Sec-WebSocket-Protocol: {', '.join(offered)}"] if offered else []
                answered = await answer(server, request("/p", *extra))
                assert status_of(answered) == status
                assert (b"Sec-WebSocket-Protocol: a\r\n" in answered) is (offered[:1] == ["a"])
                assert seen.pop() == (wscore.ServerConnection, "/p", offered)

    run(main())


def test_a_selection_that_fails_is_an_error_of_the_application(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        for select in (lambda ws, offered: 1 / 0, lambda ws, offered: "other"):
            async with serving(echo, select_subprotocol=select) as server:
                assert status_of(await answer(server, request())) == 500

    run(main())
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [ZeroDivisionError, ValueError]
    caplog.clear()


# What the application answers


NO_ANSWERS: list[Any] = [
    (403, [], b"no"),
    "403",
    Response(101, "", Headers(), b"\x81\x01a"),
    Response(999, "", Headers()),
    Response(100, "", Headers()),
    Response(204, "", Headers(), b"a"),
    Response(200, "a\r\nb: c", Headers()),
    Response(200, "", {"a": "b"}),  # type: ignore[arg-type]
    Response(200, "", Headers(), "text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("returned", NO_ANSWERS)
@pytest.mark.parametrize("hook", ["process_request", "process_response"])
def test_what_is_no_answer_is_500_and_logged(
    run: Run, hook: str, returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(echo, open_timeout=None, **{hook: lambda *given: returned}) as server:
            answered = await answer(server, request())
            assert status_of(answered) == 500
            assert b"Internal Server Error" in answered

    run(main())
    assert "answering the opening handshake failed" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("hook", ["process_request", "process_response"])
def test_a_hook_that_is_cancelled_drops_the_client(run: Run, hook: str) -> None:
    async def cancelled(*_: Any) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiter.cancel()
        await waiter

    async def main() -> None:
        async with serving(echo, open_timeout=None, **{hook: cancelled}) as server:
            async with raw_client(server, shake=False) as peer:
                peer.write(request())
                assert await peer.reader.read() == b""
            assert server.stats.handshakes_refused == {"abandoned": 1}

    run(main())


def test_an_answer_of_101_opens_what_a_handler_serves(run: Run) -> None:
    def accept(ws: wscore.ServerConnection, request: wscore.Request) -> Response:
        return ws.protocol.accept(request, {"X-Mine": "yes"})

    async def main() -> None:
        async with serving({"/here": echo}, process_request=accept) as server:
            async with wscore.connect(uri(server, "/here")) as ws:
                assert ws.response.headers["X-Mine"] == "yes"
                await ws.send("hello")
                assert await ws.recv() == "hello"
            assert status_of(await answer(server, request("/nowhere"))) == 404

    run(main())


def test_connections_of_ones_own(run: Run) -> None:
    class Shouting(wscore.ServerConnection):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.name = "Ann"

        async def recv(self, decode: bool | None = None) -> Any:
            return str(await super().recv(decode)).upper()

    def make(*given: Any) -> wscore.ServerConnection:
        made.append(Shouting(*given))
        return made[-1]

    async def handler(ws: Any) -> None:
        await ws.send(f"{ws.name}: {await ws.recv()}")

    made: list[Any] = []

    async def main() -> None:
        for create in (Shouting, make):
            for hook in (None, lambda ws, request: None):  # fast path, slow path
                options = {"create_connection": create, "process_request": hook}
                async with serving(handler, **options) as server:
                    async with wscore.connect(uri(server)) as ws:
                        await ws.send("hello")
                        assert await ws.recv() == "Ann: HELLO"
                    assert host_of(server).options.fast_path is (hook is None)
        assert len(made) == 2

    run(main())


@pytest.mark.parametrize("hook", [None, lambda ws, request: None], ids=["fast", "slow"])
def test_a_connection_that_cannot_be_made_is_dropped(
    run: Run, hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def make(*given: Any) -> wscore.ServerConnection:
        made.append(given)
        if len(made) == 1:
            raise LookupError
        return wscore.ServerConnection(*given)

    made: list[Any] = []

    async def main() -> None:
        options = {"create_connection": make, "process_request": hook, "max_connections": 1}
        async with serving(echo, **options) as server:
            with pytest.raises((wscore.InvalidHandshake, wscore.ConnectionClosed, OSError)):
                async with wscore.connect(uri(server)) as ws:
                    await ws.recv()
            assert not server.connections
            async with wscore.connect(uri(server)) as ws:  # its place is free again
                await ws.send("hello")
                assert await ws.recv() == "hello"

    run(main())
    caplog.clear()
