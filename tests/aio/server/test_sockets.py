"""ServerSockets sockets when file descriptors run out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import address, echo, serving, until, uri

import wscore
from wscore._backend import HAS_REACTOR
from wscore.aio.server import sockets
from wscore.aio.server.sockets import GuardedSocket

resource = pytest.importorskip("resource", reason="no limit to set")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[Any], Any]


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let the process open *count* more descriptors and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fillers = []
    top = max(map(int, os.listdir("/dev/fd"))) + count + 1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
        try:
            while True:
                fillers.append(os.dup(0))
        except OSError:
            for filler in fillers[-count:] if count else ():
                os.close(filler)
            del fillers[len(fillers) - count :]
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)


def _waiting(server: wscore.Server, count: int) -> list[socket.socket]:
    """Connections that the server has had no turn to accept."""
    return [socket.create_connection(address(server)) for _ in range(count)]


async def _is_dropped(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    except ConnectionResetError:
        return True


def test_without_descriptors_connections_are_dropped_and_then_accepted_again(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[GuardedSocket] = []
    accept = GuardedSocket.accept

    def counted(self: GuardedSocket) -> Any:
        calls.append(self)
        return accept(self)

    monkeypatch.setattr(GuardedSocket, "accept", counted)

    async def main() -> None:
        async with serving(echo) as server:
            there = await wscore.connect(uri(server))
            waiting = _waiting(server, 60)
            with descriptors_left(2):
                assert all([await _is_dropped(sock) for sock in waiting[2:]])
                assert server.stats.connections == 3
                before = len(calls)
                await asyncio.sleep(0.02)
                assert len(calls) == before, "it asks again and again"
                await there.send("still here")
                assert await there.recv() == "still here"
                # As soon as there is a descriptor it serves.
                for sock in waiting:
                    sock.close()
                await until(lambda: server.stats.connections == 1)
                async with wscore.connect(uri(server)) as again:
                    await again.send("hello")
                    assert await again.recv() == "hello"
            await there.close()

    run(main())
    if calls:
        [entry] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert entry.name == "wscore"
        assert "dropping connections" in entry.getMessage()
        assert "Too many open files" in entry.getMessage()
    assert not [record for record in caplog.records if record.name == "asyncio"
                and record.levelname != "DEBUG"]  # fmt: skip
    caplog.clear()


def _listening() -> GuardedSocket:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        guarded = GuardedSocket(plain.dup().detach())
    guarded.setblocking(False)
    return guarded


def test_a_flood_of_them_leaves_the_loop_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_MAX_DROPS", 3)
    with _listening() as guarded:
        waiting = [socket.create_connection(guarded.getsockname()) for _ in range(8)]
        with descriptors_left(0):
            for dropped in (3, 6, 8, 8):
                with pytest.raises(BlockingIOError):
                    guarded.accept()
                assert guarded._dropped == dropped
        for sock in waiting:
            sock.close()


def test_one_line_tells_of_many(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(sockets, "monotonic", lambda: now[0])
    with _listening() as guarded:
        waiting = [socket.create_connection(guarded.getsockname()) for _ in range(3)]
        monkeypatch.setattr(sockets, "_MAX_DROPS", 1)
        with descriptors_left(0):
            for later in (0, 59, 2):
                now[0] += later
                with pytest.raises(BlockingIOError):
                    guarded.accept()
        for sock in waiting:
            sock.close()
    assert [record.getMessage()[:33] for record in caplog.records] == [
        "dropping connections, 1 so far: [",
        "dropping connections, 3 so far: [",
    ]


def test_the_spare_descriptor_is_fetched_again() -> None:
    with _listening() as guarded:
        assert guarded._spare is not None
        os.close(guarded._spare)
        guarded._spare = None
        with descriptors_left(0), pytest.raises(OSError, match="Too many open files"):
            guarded.accept()
        with pytest.raises(BlockingIOError):
            guarded.accept()
        assert guarded._spare is not None


def test_closing_leaves_no_descriptor(run: Run) -> None:
    async def main() -> None:
        counts = []
        for _ in range(3):
            async with wscore.serve(echo, ["127.0.0.1", "127.0.0.2"], 0):
                pass
            await asyncio.sleep(0)
            counts.append(len(os.listdir("/dev/fd")))
        assert len(set(counts)) == 1

    run(main())


def test_a_port_that_is_taken(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            before = len(os.listdir("/dev/fd"))
            with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
                await wscore.serve(echo, *address(server))
            assert len(os.listdir("/dev/fd")) == before

    run(main())


@pytest.mark.skipif(not HAS_REACTOR, reason="the backend, or the system, has no own transport")
def test_a_system_without_memory_is_left_alone_for_a_while(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "own")
    monkeypatch.setattr(sockets, "_PAUSE", 0.01)

    async def main() -> None:
        told: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, report: told.append(report))
        async with serving(echo) as server:
            [listener] = server._sockets.accepting
            listener._failed(errno.ENOMEM)
            assert not listener._acceptor.is_accepting
            assert server.is_serving()
            [report] = told
            assert report["exception"].errno == errno.ENOMEM
            async with wscore.connect(uri(server)) as ws:  # after the pause
                await ws.send("a")
                assert await ws.recv() == "a"
            assert listener._acceptor.is_accepting
            listener._failed(errno.ENOBUFS)
        assert not server.is_serving()
        await asyncio.sleep(0.02)  # in which nobody begins again
        assert not listener._acceptor.is_accepting

    run(main())
