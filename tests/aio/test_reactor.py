"""Which transport the connections of a loop have."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.isolated import start
from support.loops import LOOPS
from support.rawpeer import echo, serving, uri

import wscore
from wscore._backend import HAS_REACTOR, SocketTransport
from wscore.aio.loop import loop_data

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

needs_our_own = pytest.mark.skipif(not HAS_REACTOR, reason="the backend, or the system, has none")


async def transports_of_both() -> list[type]:
    async with serving(echo) as server, wscore.connect(uri(server)) as ws:
        await ws.send("a")
        assert await ws.recv() == "a"
        [connection] = server.connections
        return [type(ws.transport), type(connection.transport)]


@needs_our_own
@pytest.mark.parametrize("wanted", ["auto", "own"])
def test_our_own(run: Run, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", wanted)
    assert run(transports_of_both()) == [SocketTransport] * 2


@needs_our_own
def test_where_it_was_never_run_only_who_insists_gets_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wscore.aio.reactor._WAS_RUN", False)
    monkeypatch.setenv("WSCORE_TRANSPORT", "auto")
    assert SocketTransport not in run(transports_of_both())
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")
    assert run(transports_of_both()) == [SocketTransport] * 2


def test_that_of_the_loop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "asyncio")
    kinds = run(transports_of_both())
    assert all(kind.__module__.startswith(("asyncio", "uvloop")) for kind in kinds)


def test_the_twin_has_those_of_the_loop() -> None:
    script = (
        "import asyncio, wscore\n"
        "async def handler(ws): ...\n"
        "async def main():\n"
        "    try:\n"
        "        await wscore.serve(handler, '127.0.0.1', 0)\n"
        "    except RuntimeError as error: print(error)\n"
        "asyncio.run(main())\n"
    )
    done = start(script, WSCORE_BACKEND="python", WSCORE_TRANSPORT="own")
    assert done.stdout == "WSCORE_TRANSPORT=own, but there is no compiled backend\n"
    done = start(script, WSCORE_BACKEND="python")
    assert (done.stdout, done.stderr) == ("", "")


class OtherLoop(asyncio.BaseEventLoop):
    """A loop that nobody knows."""


@needs_our_own
def test_an_unknown_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = OtherLoop()
    monkeypatch.setenv("WSCORE_TRANSPORT", "auto")
    assert loop_data(loop).reactor(loop) is None
    other: Any = OtherLoop()
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")
    with pytest.raises(RuntimeError, match="not known to work on OtherLoop"):
        loop_data(other).reactor(other)
    loop.close()
    other.close()


@needs_our_own
@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_has_one_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")
    loop = new_loop()
    reactor = loop_data(loop).reactor(loop)
    assert loop_data(loop).reactor(loop) is reactor
    descriptor = reactor.fileno()
    os.fstat(descriptor)
    del reactor
    loop.close()
    del loop
    import gc

    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@needs_our_own
def test_a_socket_that_the_caller_has_connected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")

    async def main() -> None:
        async with serving(echo) as server:
            sock = socket.create_connection(server.sockets[0].getsockname())
            async with wscore.connect(uri(server), sock=sock) as ws:
                assert type(ws.transport) is SocketTransport
                assert sock.fileno() == -1  # it belongs to the transport

    run(main())


@needs_our_own
def test_unix_sockets(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")

    async def main() -> None:
        path = str(tmp_path / "socket")
        async with wscore.unix_serve(echo, path) as server, wscore.unix_connect(path) as ws:
            [connection] = server.connections
            assert type(ws.transport) is type(connection.transport) is SocketTransport
            assert ws.remote_address == connection.local_address == path
            await ws.send("a")
            assert await ws.recv() == "a"

    run(main())


@needs_our_own
def test_handlers_see_the_context_of_their_server(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="none")

    async def handler(ws: wscore.ServerConnection) -> None:
        await ws.send(variable.get())
        variable.set("another one's")

    async def main() -> None:
        variable.set("the server's")
        async with serving(handler) as server:
            variable.set("later")
            for _ in range(3):
                async with wscore.connect(uri(server)) as ws:
                    assert await ws.recv() == "the server's"

    for wanted in ("own", "asyncio"):
        monkeypatch.setenv("WSCORE_TRANSPORT", wanted)
        run(main())
