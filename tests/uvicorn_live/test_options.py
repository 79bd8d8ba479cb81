"""Options of uvicorn's command line, each on a live server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi_servers import OURS, OWN
from support.oracles import WireFrame
from support.processes import eventually
from support.rawpeer import BINARY, PING, TEXT, close_payload, raw_connection
from websockets.exceptions import ConnectionClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.asgi_servers import AsgiServer
    from support.rawpeer import RawPeer

    Serve = Callable[..., AsgiServer]

CLASSES = [OURS, *OWN]


def scope_of(server: AsgiServer, path: str = "/", **headers: str) -> Any:
    with server.connect(path, additional_headers=headers) as ws:
        ws.send("scope")
        return json.loads(ws.recv())


# What the application is told -------------------------------------------------------------------

FORWARDED = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "wss"}


@pytest.mark.parametrize("allowed", [True, False])
def test_proxy_headers(serve: Serve, allowed: bool) -> None:
    server = serve("--proxy-headers", "--forwarded-allow-ips", "127.0.0.1" if allowed else "::1")
    scope = scope_of(server, **FORWARDED)
    host = "192.0.2.1" if allowed else "127.0.0.1"
    assert (scope["client"][0], scope["scheme"]) == (host, "wss" if allowed else "ws")
    server.wait_for_log(f'INFO:     {host}:{scope["client"][1]} - "WebSocket /" [accepted]')


def test_no_proxy_headers(serve: Serve) -> None:
    scope = scope_of(serve("--no-proxy-headers"), **FORWARDED)
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "ws")


def test_a_root_path(serve: Serve) -> None:
    server = serve("--root-path", "/api/v1")
    scope = scope_of(server, "/a%20b?c=d")
    assert (scope["root_path"], scope["path"]) == ("/api/v1", "/api/v1/a b")
    assert scope["raw_path"] == "b'/api/v1/a%20b'"
    server.wait_for_log('"WebSocket /api/v1/a%20b?c=d" [accepted]')


def test_headers_of_the_answer(serve: Serve) -> None:
    server = serve("--header", "X-Mine: yes", "--no-server-header", "--no-date-header")
    with server.connect() as ws:
        assert ws.response is not None
        assert {name.lower() for name in ws.response.headers} >= {"x-mine", "upgrade"}
        assert not {"server", "date"} & {name.lower() for name in ws.response.headers}


# Limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ws", CLASSES)
def test_limit_concurrency_counts_websockets(serve: Serve, ws: str) -> None:
    """uvicorn refuses HTTP requests over the limit, and no handshakes: none of its classes does."""
    server = serve("--limit-concurrency", "3", ws=ws)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(server.connect())
        # It counts itself, and connections of which the server has not heard that they ended.
        assert eventually(lambda: server.get()[0] == 503)
        with server.connect() as more:
            more.send("x")
            assert more.recv() == "x"
    # All have left the server's set, or this would go on.
    eventually(lambda: server.get()[0] == 200)
    assert "Exceeded concurrency limit." in server.log


def test_max_size(serve: Serve) -> None:
    with serve("--ws-max-size", "1000").connect() as ws:
        ws.send("x" * 1000)
        assert ws.recv() == "x" * 1000
        ws.send("x" * 1001)
        with pytest.raises(ConnectionClosedError):
            ws.recv()
        assert ws.close_code == 1009


MANY = 8192
LARGE = bytes(4096)


def test_without_a_limit_of_the_queue_all_is_read(serve: Serve) -> None:
    server = serve("--ws-max-queue", "0")
    with server.connect("/count") as ws:
        for _ in range(MANY):
            ws.send(LARGE)
        ws.send("end")
        assert server.get("/release")[0] == 200
        assert ws.recv() == str(MANY)


def test_above_the_limit_of_the_queue_the_client_has_to_wait(serve: Serve) -> None:
    server = serve("--ws-max-queue", "4", "--ws-ping-interval", "0")

    async def main() -> None:
        async with raw_connection("127.0.0.1", server.port, "/count") as peer:
            sent = await _send_until_nobody_reads(peer)
            assert 4 < sent < MANY
            # What was put off comes in order, and nothing is missing.
            assert (await asyncio.to_thread(server.get, "/release"))[0] == 200
            peer.send(WireFrame(TEXT, b"end"))
            assert await peer.frame() == WireFrame(TEXT, b"%d" % sent)

    asyncio.run(main())


async def _send_until_nobody_reads(peer: RawPeer) -> int:
    """How many messages are sent before the stream stands still for two seconds; or all."""
    for sent in range(MANY):
        try:
            await asyncio.wait_for(peer.writer.drain(), 2)
        except asyncio.TimeoutError:
            return sent
        peer.send(WireFrame(BINARY, LARGE))
    return MANY


# The heartbeat ----------------------------------------------------------------------------------


async def _until_dropped(port: int) -> list[WireFrame]:
    """What a client gets that answers no pings."""
    async with raw_connection("127.0.0.1", port) as peer:
        return await peer.rest()


def test_a_client_that_does_not_answer_pings(serve: Serve) -> None:
    server = serve("--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.2")
    *pings, close = asyncio.run(_until_dropped(server.port))
    assert pings
    assert {ping.opcode for ping in pings} == {PING}
    assert close.payload == close_payload(1011, "keepalive ping timeout")


@pytest.mark.parametrize(("interval", "timeout"), [("0", "0.1"), ("0.1", "0")])
def test_zero_is_no_heartbeat_and_no_timeout(serve: Serve, interval: str, timeout: str) -> None:
    server = serve("--ws-ping-interval", interval, "--ws-ping-timeout", timeout)

    async def main() -> None:
        async with raw_connection("127.0.0.1", server.port) as peer:
            if interval == "0":
                await asyncio.sleep(1)
                peer.send(WireFrame(TEXT, b"x"))
                assert await peer.frame() == WireFrame(TEXT, b"x")
            else:
                # More than one interval, and none is answered.
                assert {frame.opcode for frame in await peer.frames(5)} == {PING}

    asyncio.run(main())


# Compression, logs ------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False])
def test_compression(serve: Serve, wanted: bool) -> None:
    with serve("--ws-per-message-deflate", str(wanted).lower()).connect() as ws:
        assert bool(ws.protocol.extensions) is wanted
        ws.send("x" * 10000)
        assert ws.recv() == "x" * 10000


def _logged(serve: Serve, ws: str, *options: str) -> list[str]:
    """What is logged of a visit, without the numbers of processes and ports."""
    server = serve(*options, ws=ws)
    with server.connect("/a?b=c") as client:
        client.send("x")
        assert client.recv() == "x"
    assert server.get("/page")[0] == 200
    assert server.stop(signal.SIGINT) == 0
    return sorted(re.sub(r"\d{2,}", "N", server.log).splitlines())


@pytest.mark.parametrize("options", [[], ["--no-access-log"], ["--log-level", "warning"]])
def test_the_log_is_that_of_the_own_classes(serve: Serve, options: list[str]) -> None:
    lines = _logged(serve, OURS, *options)
    # The other class also logs what the library websockets has to say.
    assert lines == _logged(serve, "wsproto", *options)
    # Requests go to the access log; connections, as part of uvicorn's log, to the other one.
    text = "\n".join(lines)
    assert ("GET /page" in text) is (not options)
    assert ('"WebSocket /a?b=c" [accepted]' in text) is ("warning" not in options)


def test_the_trace_log(serve: Serve) -> None:
    """It tells of the connection and of each event."""
    lines = "\n".join(_logged(serve, OURS, "--log-level", "trace"))
    for text in ("WebSocket connection made", "WebSocket connection lost",
                 "Receive {'type': 'websocket.connect'}",
                 "Send {'type': 'websocket.accept'}",
                 "{'type': 'websocket.receive', 'text': '<1 chars>'}"):  # fmt: skip
        assert text in lines, text
