"""The transport without a socket, held beside asyncio's own: the same script on both."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from wscore.testing import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]


class Recorder(asyncio.Protocol):
    """Notes what the transport tells it."""

    keep_open = False

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.received = bytearray()
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.notes.append("eof")
        return self.keep_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.notes.append(("lost", type(exc)))
        self.lost.set()

    def pause_writing(self) -> None:
        self.notes.append("pause")

    def resume_writing(self) -> None:
        self.notes.append("resume")


class BufferedRecorder(Recorder, asyncio.BufferedProtocol):  # type: ignore[misc]
    """The same by way of a buffer, of seven bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray(7)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]


@asynccontextmanager
async def _in_memory(ours: Recorder, theirs: Recorder) -> AsyncIterator[None]:
    link = Link(asyncio.get_running_loop())
    link.server.start(theirs)
    link.client.start(ours)
    yield


@asynccontextmanager
async def _over_sockets(ours: Recorder, theirs: Recorder) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: theirs, "127.0.0.1", 0)
    await loop.create_connection(lambda: ours, *server.sockets[0].getsockname())
    await _until(lambda: hasattr(theirs, "transport"))
    for recorder in (ours, theirs):
        recorder.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 65536
        )
    yield
    server.close()
    await server.wait_closed()


async def _until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@pytest.fixture(params=[_in_memory, _over_sockets], ids=["memory", "sockets"])
def connected(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[Recorder, BufferedRecorder])
def recorder(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_what_is_written_arrives(run_asyncio: Run, connected: Any, recorder: Any) -> None:
    async def main() -> None:
        ours, theirs = recorder(), recorder()
        async with connected(ours, theirs):
            ours.transport.write(b"one ")
            ours.transport.writelines([b"two ", bytearray(b"three "), memoryview(b"four")])
            theirs.transport.write(b"x" * 300_000)
            await _until(lambda: len(ours.received) == 300_000 and len(theirs.received) == 18)
            assert theirs.received == b"one two three four"
            ours.transport.close()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())

    run_asyncio(main())


def test_close_sends_the_rest_first(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            ours.transport.write(b"x" * 3_000_000)
            ours.transport.close()
            assert ours.transport.is_closing()
            assert not ours.lost.is_set()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())
            assert theirs.received == b"x" * 3_000_000
            assert ours.notes[-1] == ("lost", type(None))
            assert theirs.notes == ["eof", ("lost", type(None))]

    run_asyncio(main())


@pytest.mark.parametrize("size", [8, 3_000_000])
def test_half_of_the_stream_may_end(run_asyncio: Run, connected: Any, size: int) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        theirs.keep_open = True
        async with connected(ours, theirs):
            ours.transport.write(b"q" * size)
            assert ours.transport.can_write_eof()
            ours.transport.write_eof()
            with pytest.raises(RuntimeError, match="after write_eof"):
                ours.transport.write(b"more")
            await _until(lambda: theirs.notes == ["eof"])
            theirs.transport.write(b"answer")
            theirs.transport.close()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())
            assert (theirs.received, ours.received) == (b"q" * size, b"answer")
            assert ours.notes[-2:] == ["eof", ("lost", type(None))]

    run_asyncio(main())


def test_abort_does_not_wait(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            theirs.transport.pause_reading()
            ours.transport.write(b"x" * 30_000_000)
            ours.transport.abort()
            assert ours.transport.is_closing()
            await ours.lost.wait()
            assert ours.notes[-1] == ("lost", type(None))
            theirs.transport.resume_reading()
            await theirs.lost.wait()
            assert len(theirs.received) < 30_000_000

    run_asyncio(main())


def test_what_nobody_has_read_is_answered_with_a_reset(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            theirs.transport.pause_reading()
            ours.transport.write(b"x" * 30_000_000)
            await asyncio.sleep(0.01)
            theirs.transport.abort()
            await ours.lost.wait()
            assert issubclass(ours.notes[-1][1], ConnectionError)

    run_asyncio(main())


def test_a_closed_end_answers_with_a_reset(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        theirs.keep_open = True
        async with connected(ours, theirs):
            ours.transport.abort()
            await _until(lambda: theirs.notes == ["eof"])
            while not theirs.lost.is_set():
                theirs.transport.write(b"are you there?")
                await asyncio.sleep(0.001)
            kind = theirs.notes[-1][1]
            assert issubclass(kind, ConnectionError)

    run_asyncio(main())


def test_the_writer_is_told_when_it_is_too_fast(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            theirs.transport.pause_reading()
            assert not theirs.transport.is_reading()
            ours.transport.set_write_buffer_limits(1000)
            assert ours.transport.get_write_buffer_limits() == (250, 1000)
            while not ours.notes:
                ours.transport.write(b"x" * 10_000)
                await asyncio.sleep(0)
            assert ours.notes == ["pause"]
            assert ours.transport.get_write_buffer_size() > 1000
            arrived = len(theirs.received)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(theirs.received) == arrived
            theirs.transport.resume_reading()
            await _until(lambda: ours.notes == ["pause", "resume"])
            assert ours.transport.get_write_buffer_size() <= 250
            ours.transport.close()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())

    run_asyncio(main())


@pytest.mark.parametrize(
    ("asked", "got"),
    [((None, None), (16384, 65536)), ((100, None), (25, 100)), ((None, 10), (10, 40)),
     ((7, 7), (7, 7)), ((0, None), (0, 0))],
)  # fmt: skip
def test_write_buffer_limits(
    run_asyncio: Run, connected: Any, asked: tuple[Any, Any], got: tuple[int, int]
) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            ours.transport.set_write_buffer_limits(*asked)
            assert ours.transport.get_write_buffer_limits() == got
            with pytest.raises(ValueError, match="must be >="):
                ours.transport.set_write_buffer_limits(1, 2)
            ours.transport.close()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())

    run_asyncio(main())


def test_a_protocol_that_fails_loses_its_connection(
    run_asyncio: Run, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        ours, theirs = Recorder(), Failing()
        async with connected(ours, theirs):
            ours.transport.write(b"x")
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())
            assert theirs.notes == [("lost", ZeroDivisionError)]

    run_asyncio(main())
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


def test_another_protocol_takes_over(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs, other = Recorder(), Recorder(), Recorder()
        async with connected(ours, theirs):
            ours.transport.write(b"first")
            await _until(lambda: theirs.received == b"first")
            theirs.transport.set_protocol(other)
            assert theirs.transport.get_protocol() is other
            ours.transport.write(b"second")
            await _until(lambda: other.received == b"second")
            ours.transport.close()
            await asyncio.gather(ours.lost.wait(), other.lost.wait())
            assert theirs.notes == []

    run_asyncio(main())


def test_what_is_known_of_it(run_asyncio: Run, connected: Any) -> None:
    async def main() -> None:
        ours, theirs = Recorder(), Recorder()
        async with connected(ours, theirs):
            for name, other in (("sockname", "peername"), ("peername", "sockname")):
                assert ours.transport.get_extra_info(name) == theirs.transport.get_extra_info(other)
                assert ours.transport.get_extra_info(name)[0] == "127.0.0.1"
            assert ours.transport.get_extra_info("ssl_object", "none") == "none"
            with pytest.raises(TypeError):
                ours.transport.write("text")  # type: ignore[arg-type]
            ours.transport.close()
            await asyncio.gather(ours.lost.wait(), theirs.lost.wait())

    run_asyncio(main())
