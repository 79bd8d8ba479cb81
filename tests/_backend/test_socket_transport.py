"""Our own transport: what it reads, when it reads nothing, and what it tells of itself."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.lines import FAMILIES, ByteRecorder, Lines, Recorder, reset, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")


class ReaderProtocol(Recorder):
    """Reads into a MessageReader, as connections do."""

    def __init__(self, backend: ModuleType) -> None:
        super().__init__()
        self.reader = backend.MessageReader(masked=False, buffer=backend.ReadBuffer(4096))
        self.get_buffer = self.reader.get_buffer  # type: ignore[method-assign]
        self.events: list[Any] = []

    def buffer_updated(self, nbytes: int) -> None:
        self.events += self.reader.commit(nbytes)
        self.tell("read")


# Reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [Recorder, ByteRecorder])
def test_what_comes_in_pieces(run: Run, compiled: ModuleType, family: str, kind: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(kind(), family)
            for size in (1, 1, 500, 3):
                before = len(line.protocol.received)
                line.theirs.send(os.urandom(size))
                await line.until(lambda: len(line.protocol.received) == before + size)  # noqa: B023
            assert line.protocol.told == ["made", "read", "read", "read", "read"]
            assert await lines.is_quiet()

    run(main())


@pytest.mark.parametrize("kind", [Recorder, ByteRecorder])
def test_more_than_a_read_takes(run: Run, compiled: ModuleType, kind: Any) -> None:
    async def main() -> None:
        data = os.urandom(400_000)
        async with Lines(compiled) as lines:
            line = lines.open(kind(1000) if kind is Recorder else kind(), "unix")
            sent = 0
            while sent < len(data):
                try:
                    sent += line.theirs.send(data[sent:])
                except BlockingIOError:
                    await turns(1)
            await line.until(lambda: len(line.protocol.received) == len(data))
            assert line.protocol.received == data

    run(main())


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
def test_a_reader_is_read_into_without_views(run: Run, compiled: ModuleType, piece: int) -> None:
    """Large payloads are read where they belong, small ones into the shared memory."""
    messages = [b"a" * 5, b"", os.urandom(40_000), os.urandom(300_000), "\u20ac" * 20_000, b"z" * 7]
    stream = b"".join(
        compiled.encode_frame(1, m.encode()) if isinstance(m, str) else compiled.encode_frame(2, m)
        for m in messages
    )

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(ReaderProtocol(compiled), "unix")
            step = max(piece, len(stream) // 500)
            for start in range(0, len(stream), step):
                part = stream[start : start + step]
                while part:
                    try:
                        part = part[line.theirs.send(part) :]
                    except BlockingIOError:
                        await turns(1)
                await turns(1)
            await line.until(lambda: len(line.protocol.events) == len(messages))
            assert line.protocol.events == messages

    run(main())


def test_a_reader_that_fails_loses_the_connection(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            protocol = ReaderProtocol(compiled)
            line = lines.open(protocol)
            protocol.do["read"] = lambda: protocol.reader.commit(1 << 30)
            line.theirs.send(b"\x81\x01a")
            assert isinstance(await line.ended(), ValueError)

    run(main())


def test_one_socket_has_a_share(run: Run, compiled: ModuleType) -> None:
    """64 reads that filled their memory, or 2 ms; then others come, and after a while the loop."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            greedy, other = lines.open(Recorder(1)), lines.open()
            seen: list[int] = []
            other.protocol.do["read"] = lambda: seen.append(len(greedy.protocol.received))
            greedy.theirs.send(bytes(3000))
            other.theirs.send(b"a")
            await other.until_told("read")
            await other.until(lambda: len(greedy.protocol.received) == 3000)
            assert seen[0] <= 65
            turns_taken = lines.runs
            assert turns_taken >= 3000 // (9 * 65)

    run(main())


def test_after_a_short_read_nobody_asks_again(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            asked: list[int] = []
            line.protocol.do["buffer"] = lambda: asked.append(1) or line.protocol.memory
            line.theirs.send(b"abc")
            await line.until_told("read")
            assert await lines.is_quiet()
            assert len(asked) == 1

    run(main())


# Pausing ---------------------------------------------------------------------------------------


def test_nothing_is_read_while_paused(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.pause_reading()
            line.transport.pause_reading()
            assert not line.transport.is_reading()
            line.theirs.send(b"abc")
            line.theirs.shutdown(socket.SHUT_WR)
            assert await lines.is_quiet()
            assert line.protocol.told == ["made"]
            line.transport.resume_reading()
            assert line.transport.is_reading()
            assert await line.ended() is None
            assert line.protocol.told == ["made", "read", "eof", "lost"]

    run(main())


def test_pausing_within_a_read_ends_the_reads(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(Recorder(2))
            line.protocol.do["read"] = lambda: line.transport.pause_reading()
            line.theirs.send(b"abcdef")
            await line.until_told("read")
            assert await lines.is_quiet()
            assert line.protocol.received == b"ab"
            line.protocol.do = {}
            line.transport.resume_reading()
            await line.until(lambda: line.protocol.received == b"abcdef")

    run(main())


def test_a_reset_while_paused_is_told_when_reading_again(run: Run, compiled: ModuleType) -> None:
    """And does not have the loop spin before, for the system reports it whatever was asked for."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.pause_reading()
            reset(line.theirs)
            assert await lines.is_quiet()
            assert line.protocol.told == ["made"]
            line.transport.resume_reading()
            error = await line.ended()
            assert isinstance(error, ConnectionResetError)
            assert error.errno == errno.ECONNRESET
            assert line.protocol.told == ["made", "lost"]

    run(main())


def test_a_connection_may_be_made_paused(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            protocol = Recorder()
            protocol.do["made"] = lambda: protocol.transport.pause_reading()
            line = lines.open(protocol)
            line.theirs.send(b"a")
            assert await lines.is_quiet()
            assert protocol.told == ["made"]

    run(main())


def test_events_of_a_batch_after_a_pause_by_another(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            both = [lines.open(), lines.open()]
            for line, other in zip(both, reversed(both), strict=True):
                line.protocol.do["read"] = other.transport.pause_reading
                line.theirs.send(b"a")
            assert await lines.is_quiet()
            assert sorted(line.protocol.told for line in both) == [["made"], ["made", "read"]]

    run(main())


# Protocols -------------------------------------------------------------------------------------


def test_another_protocol_takes_over(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(Recorder(1))
            second = ByteRecorder()
            line.protocol.do["read"] = lambda: line.transport.set_protocol(second)
            line.theirs.send(b"abc")
            await line.until(lambda: second.received == b"bc")
            assert line.protocol.received == b"a"
            assert line.transport.get_protocol() is second
            line.theirs.close()
            await asyncio.wait_for(second.lost, 10)
            assert line.transport.get_protocol() is None

    run(main())


def test_a_protocol_that_takes_no_data(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.set_protocol(asyncio.BaseProtocol())
            line.theirs.send(b"abc")
            assert await lines.is_quiet()
            line.transport.set_protocol(line.protocol)
            line.theirs.send(b"d")
            await line.until(lambda: line.protocol.received == b"d")

    run(main())


@pytest.mark.parametrize("memory", [b"", bytes(3), memoryview(b"abc"), None])
def test_memory_that_nothing_can_be_read_into(run: Run, compiled: ModuleType, memory: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.protocol.do["buffer"] = lambda: memory
            line.theirs.send(b"abc")
            error = await line.ended()
            assert isinstance(error, (RuntimeError, BufferError, TypeError))
            [report] = lines.reports
            assert report["exception"] is error
            assert report["transport"] is line.transport
            assert report["protocol"] is line.protocol

    run(main())


def test_callbacks_run_in_the_context_of_the_start(run: Run, compiled: ModuleType) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def main() -> None:
        async with Lines(compiled) as lines:
            variable.set("outer")
            line = lines.open()
            seen: list[str] = []
            for name in ("read", "eof", "lost"):
                line.protocol.do[name] = lambda: (seen.append(variable.get()), None)[1]
            variable.set("later")
            line.theirs.send(b"a")
            await line.until_told("read")
            line.theirs.close()
            await line.ended()
            await turns(1)
            assert seen == ["outer"] * 3
            other = lines.open()
            other.protocol.do["read"] = lambda: variable.set("inner")
            other.theirs.send(b"a")
            await other.until_told("read")
            assert variable.get() == "later"

    run(main())


# What it tells ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_addresses_are_those_of_the_socket(run: Run, compiled: ModuleType, family: str) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(None, family)
            info = line.transport.get_extra_info
            expected = {
                "peername": line.theirs.getsockname(),
                "sockname": line.theirs.getpeername(),
            }
            assert {name: info(name) for name in expected} == expected
            line.theirs.close()
            await line.ended()
            await turns(1)
            assert {name: info(name) for name in expected} == expected
            assert info("sslcontext") is None
            assert info("other", 5) == 5

    run(main())


def test_the_name_of_a_unix_socket(run: Run, compiled: ModuleType, tmp_path: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            for name in (str(tmp_path / "s\xe9"), b"\0wscore-%d" % os.getpid()):
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(name)
                    listening.listen(1)
                    ours = socket.socket(socket.AF_UNIX)
                    ours.connect(name)
                    theirs = listening.accept()[0]
                peer = compiled.SocketTransport(lines.reactor, lines.loop, ours.detach())
                there = compiled.SocketTransport(lines.reactor, lines.loop, theirs.detach())
                assert peer.get_extra_info("peername") == name
                assert peer.get_extra_info("sockname") == ""
                assert there.get_extra_info("sockname") == name
                for transport in (peer, there):
                    transport.start(Recorder())
                    transport.abort()
                await turns(2)
                assert there.get_extra_info("sockname") == name
                assert peer.get_extra_info("peername") == name

    run(main())


def test_the_socket_may_be_asked_and_not_closed(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            sock = line.transport.get_extra_info("socket")
            assert sock.fileno() == line.transport.fileno() == line.descriptor
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for end in (sock.close, sock.detach):
                with pytest.raises(NotImplementedError):
                    end()
            assert line.transport.get_extra_info("socket") is sock
            line.transport.abort()
            await line.ended()
            await turns(1)
            assert sock.fileno() == line.transport.fileno() == -1
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(line.descriptor)

    run(main())


def test_after_the_end_there_is_no_socket(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.abort()
            await line.ended()
            await turns(1)
            assert line.transport.get_extra_info("socket", "none") == "none"

    run(main())


def test_how_it_looks(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            assert repr(line.transport) == (
                f"<SocketTransport fd={line.descriptor} reading unsent=0>"
            )
            line.transport.pause_reading()
            assert " paused " in repr(line.transport)
            lines.fill(line)
            line.transport.close()
            assert " closing unsent=" in repr(line.transport)
            line.transport.abort()
            await turns(2)
            assert repr(line.transport) == "<SocketTransport closed>"

    run(main())


def test_a_transport_is_made_once(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            with pytest.raises(RuntimeError, match="once"):
                line.transport.__init__(lines.reactor, lines.loop, 0)
            with pytest.raises(TypeError):
                compiled.SocketTransport(None, lines.loop, 0)
            with pytest.raises(RuntimeError, match="once"):
                lines.reactor.__init__(compiled.ReadBuffer(10), None, None, None)

    run(main())
