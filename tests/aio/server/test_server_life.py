"""When a server closes, and what is left of it: as asyncio's servers and websockets' do it."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of
from support.loops import LOOPS
from support.oracles import WireFrame
from support.rawpeer import (
    CLOSE,
    TEXT,
    echo,
    raw_client,
    request,
    serving,
    until,
    until_closed,
    uri,
)

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_wait_closed_waits_for_close(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        assert server.get_loop() is asyncio.get_running_loop()
        waiting = asyncio.ensure_future(server.wait_closed())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        server.close()
        await waiting
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("given", [None, "own"])
def test_a_server_has_a_logger(run: Run, given: str | None) -> None:
    async def main() -> None:
        logger = None if given is None else logging.getLogger(given)
        async with serving(echo, logger=logger) as server:
            assert server.logger is logging.getLogger(given or "wscore")

    run(main())


def test_a_closed_server_has_no_sockets(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            [sock] = server.sockets
            assert sock.fileno() >= 0
        assert server.sockets == ()

    run(main())


def test_connections_are_the_open_ones(run: Run) -> None:
    async def main() -> None:
        server = await serving(until_closed)
        async with raw_client(server) as peer, raw_client(server, shake=False) as other:
            other.write(request()[:-2])
            await until(lambda: server.stats.connections == 2)
            [ws] = server.connections
            assert ws.state is wscore.State.OPEN
            ws.start_close()
            assert server.connections == set()
            assert server.stats.connections == 2
            await peer.frame()
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("how", [{"close_connections": False}, False])
def test_connections_may_outlast_the_server(run: Run, how: Any) -> None:
    async def main() -> None:
        server = await serving(echo, close_timeout=0)
        async with raw_client(server) as peer, raw_client(server, shake=False) as other:
            other.write(request()[:-2])
            await until(lambda: server.stats.connections == 2)
            server.close(**how) if isinstance(how, dict) else server.close(how)
            assert (await other.reader.read()).startswith(b"HTTP/1.1 503 ")
            waiting = asyncio.ensure_future(server.wait_closed())
            for _ in range(10):
                peer.send(WireFrame(TEXT, b"still here"))
                assert (await peer.frame()).payload == b"still here"
            assert not waiting.done()
            assert not server.is_serving()
            peer.send(WireFrame(CLOSE))
            await peer.rest()
            peer.writer.close()
            await waiting
        server.close()

    run(main())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((1012, "restart"), {}),
        ((1012,), {"reason": "restart", "close_connections": True}),
        ((True, 1012, "restart"), {}),
        ((True,), {"code": 1012, "reason": "restart"}),
        ((), {"close_connections": True, "code": 1012, "reason": "restart"}),
    ],
)
def test_closing_takes_the_order_of_websockets_too(run: Run, given: Any, named: Any) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            server.close(*given, **named)
            with pytest.raises(wscore.ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.rcvd == wscore.Close(1012, "restart")

    run(main())


def test_closing_takes_no_other_kind_of_flag(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            with pytest.raises(TypeError, match="close_connections must be a bool"):
                server.close(close_connections=1)  # type: ignore[arg-type]
            assert server.is_serving()

    run(main())


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("hook", ["process_request", "process_response"])
def test_no_handshake_succeeds_once_the_server_closes(run: Run, hook: str, is_async: bool) -> None:
    async def main() -> None:
        def close(*_: Any) -> None:
            server.close()

        async def close_later(*_: Any) -> None:
            await asyncio.sleep(0)
            server.close()

        server = await serving(echo, **{hook: close_later if is_async else close})
        async with raw_client(server, shake=False) as peer:
            peer.write(request())
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
        await server.wait_closed()
        assert server.stats.handshakes_refused == {"shutdown": 1}

    run(main())


@pytest.mark.parametrize("options", [{}, {"process_request": lambda *_: None}])
def test_a_request_in_the_turn_in_which_the_server_closes_is_refused(
    run: Run, options: dict[str, Any]
) -> None:
    async def main() -> None:
        server = await serving(echo, **options)
        async with raw_client(server, shake=False) as peer:
            await until(lambda: host_of(server).pending)
            [client] = host_of(server).pending
            server.close()
            data = request()
            client.get_buffer(-1)[: len(data)] = data
            client.buffer_updated(len(data))
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
        await server.wait_closed()

    run(main())


def test_what_was_started_does_not_start_again(run: Run) -> None:
    """The server that it would replace could not be closed any more."""

    async def main() -> None:
        starting = serving(echo)
        async with starting as server:
            with pytest.raises(RuntimeError, match="started already"):
                await starting
            async with wscore.connect(uri(server)) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
        with pytest.raises(RuntimeError, match="started already"):
            await starting

    run(main())


def test_what_could_not_start_may_be_started_again(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            starting = wscore.serve(echo, "127.0.0.1", taken.getsockname()[1])
            with pytest.raises(OSError, match="in use"):
                await starting
        async with starting as server, wscore.connect(uri(server)) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"

    run(main())


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_a_signal_in_the_place_of_the_end_of_a_connection(
    monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Its handler raises, as that of Python does for SIGINT; then the server is closed."""

    def interrupt(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    async def start() -> None:
        nonlocal server
        server = await serving(echo, close_timeout=0.05)
        async with raw_client(server) as peer:
            wire = next(iter(host_of(server).wires))
            monkeypatch.setattr(type(wire), "connection_lost", interrupt)
            peer.abort()
            await asyncio.sleep(30)

    async def end() -> None:
        server.close()
        await asyncio.wait_for(server.wait_closed(), 30)

    server: Any = None
    loop = new_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(start())
        with suppress(RuntimeError):  # uvloop's next run ends at once
            loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(end())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
