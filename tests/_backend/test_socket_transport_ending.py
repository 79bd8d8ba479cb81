"""Our own transport: every way in which it ends, and in the middle of what."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.lines import ByteRecorder, Line, Lines, Recorder, connected, reset, turns
from support.loops import LOOPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")

CALLBACKS = ["made", "read", "eof", "pause", "resume", "lost"]


async def have_called(lines: Lines, protocol: Recorder, name: str) -> Line:
    """A line whose protocol was called back under *name*."""
    line = lines.open(protocol)
    if name == "read":
        line.theirs.send(b"abc")
    elif name == "eof":
        line.theirs.shutdown(socket.SHUT_WR)
    elif name in ("pause", "resume"):
        line.transport.set_write_buffer_limits(0)
        total = lines.fill(line)
        if name == "resume":
            await line.receive(total)
    elif name == "lost":
        line.transport.close()
    await line.until_told(name)
    return line


@pytest.mark.parametrize("end", ["close", "abort", "write_eof"])
@pytest.mark.parametrize("name", CALLBACKS)
def test_an_end_within_a_callback(run: Run, compiled: ModuleType, name: str, end: str) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            protocol = Recorder()
            protocol.do[name] = lambda: getattr(protocol.transport, end)()
            line = await have_called(lines, protocol, name)
            if end == "write_eof":
                line.transport.abort()
            elif name == "pause" and end == "close":
                line.theirs.settimeout(None)
                line.theirs.close()
            await line.ended()
            await turns(3)
            assert protocol.told.count("lost") == 1
            assert protocol.told[-1] == "lost"
            assert line.transport.fileno() == -1
            assert len(lines.reactor) == 0
            assert lines.reports == []

    run(main())


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, OSError])
@pytest.mark.parametrize("name", CALLBACKS)
def test_an_exception_in_a_callback(
    run: Run, compiled: ModuleType, name: str, kind: type[BaseException]
) -> None:
    """Ends the connection, as asyncio has it; those about writing are only reported."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            protocol = Recorder()
            error = kind()

            def fail() -> None:
                raise error

            protocol.do[name] = fail
            line = await have_called(lines, protocol, name)
            if name in ("pause", "resume"):
                assert not line.transport.is_closing()
                line.transport.abort()
                assert await line.ended() is None
            elif name == "lost":
                await line.ended()
            else:
                assert await line.ended() is error
            await turns(3)
            assert protocol.told.count("lost") == 1
            assert line.transport.fileno() == -1
            is_told = name in ("pause", "resume", "lost") or kind is not OSError
            assert [report["exception"] for report in lines.reports] == [error] * is_told

    run(main())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_what_is_to_end_the_loop_ends_it(
    compiled: ModuleType, new_loop: Any, name: str, kind: type[BaseException]
) -> None:
    """And the connection is whole when the loop runs again."""
    loop = new_loop()
    protocol: Any = None

    def stop() -> None:
        del protocol.do[name]
        raise kind

    async def main() -> None:
        nonlocal protocol, lines
        lines = await Lines(compiled).__aenter__()
        protocol = Recorder(do={name: stop})
        await have_called(lines, protocol, name)
        await turns(5)

    async def after() -> None:
        line = lines.made[0]
        if name in ("made", "read"):
            line.theirs.send(b"d")
            await line.until(lambda: protocol.received.endswith(b"d"))
        if name == "pause":
            await line.receive(line.transport.get_write_buffer_size())
        line.transport.abort()
        await line.ended()
        await turns(2)
        assert await lines.is_quiet()
        assert line.transport.fileno() == -1
        await lines.__aexit__()

    lines: Any = None
    try:
        with pytest.raises(kind):
            loop.run_until_complete(main())
        if not lines.made:  # it was raised in the very start
            assert name == "made"
            lines.made.append(Line(protocol.transport, protocol, connected("unix")[0]))
            loop.run_until_complete(lines.__aexit__())
            return
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(task)
        loop.run_until_complete(after())
    finally:
        loop.close()


def test_an_end_of_the_peer(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.theirs.close()
            assert await line.ended() is None
            assert line.protocol.told == ["made", "eof", "lost"]

    run(main())


@pytest.mark.parametrize("kind", [Recorder, ByteRecorder])
def test_a_reset_has_its_number(run: Run, compiled: ModuleType, kind: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(kind())
            reset(line.theirs)
            error = await line.ended()
            assert type(error) is ConnectionResetError
            assert error.errno == errno.ECONNRESET
            assert error.strerror == os.strerror(errno.ECONNRESET)
            assert line.protocol.told == ["made", "lost"]
            assert lines.reports == []

    run(main())


def test_our_side_stays_open_if_that_is_wanted(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.protocol.do["eof"] = lambda: True
            line.theirs.shutdown(socket.SHUT_WR)
            await line.until_told("eof")
            assert await lines.is_quiet()
            line.transport.pause_reading()
            line.transport.resume_reading()
            assert not line.transport.is_reading()
            line.transport.write(b"answer")
            assert await line.receive(6) == b"answer"
            line.transport.close()
            assert await line.ended() is None
            assert line.protocol.told == ["made", "eof", "lost"]

    run(main())


def test_the_end_is_told_in_another_turn_and_the_number_kept_till_then(
    run: Run, compiled: ModuleType
) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.theirs.send(b"not read")
            line.transport.abort()
            line.transport.abort()
            assert line.protocol.told == ["made"]
            assert line.transport.fileno() == line.descriptor
            assert line.transport.get_protocol() is line.protocol
            await turns(2)
            assert line.protocol.told == ["made", "lost"]
            assert line.transport.fileno() == -1

    run(main())


# Descriptors ------------------------------------------------------------------------------------


def test_events_of_who_is_gone_do_not_reach_who_comes(run: Run, compiled: ModuleType) -> None:
    """In one batch, the descriptor of a closed connection becomes that of a new one."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            both = [lines.open(), lines.open()]
            fresh: list[Line] = []

            def replace(victim: Line) -> None:
                for line in both:
                    line.protocol.do = {}
                victim.transport.abort()
                victim.transport.tell_of_the_end(None)  # now, and not a turn later
                there, theirs = connected("tcp")
                os.dup2(there.detach(), victim.descriptor)
                theirs.setblocking(False)
                again = compiled.SocketTransport(lines.reactor, lines.loop, victim.descriptor)
                new = Recorder()
                new.do["buffer"] = lambda: pytest.fail("nothing has come for it")
                again.start(new)
                fresh.append(Line(again, new, theirs))

            for line, other in zip(both, reversed(both), strict=True):
                line.protocol.do["read"] = lambda other=other: replace(other)
                line.theirs.send(b"a")
            await turns(5)
            [line] = fresh
            assert line.protocol.told == ["made"]
            line.protocol.do = {}
            line.theirs.send(b"b")
            await line.until(lambda: line.protocol.received == b"b")
            lines.made.append(line)

    run(main())


def test_a_descriptor_that_somebody_has_closed(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            os.close(line.descriptor)
            line.transport.write(b"a")
            error = await line.ended()
            assert isinstance(error, OSError)
            assert error.errno == errno.EBADF
            await turns(2)

    run(main())


def test_what_no_system_watches(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            descriptor = os.open(os.devnull, os.O_RDONLY)
            transport = compiled.SocketTransport(lines.reactor, lines.loop, descriptor)
            protocol = Recorder()
            transport.start(protocol)
            error = await protocol.lost
            assert isinstance(error, PermissionError)
            assert transport.get_extra_info("peername") is None

    run(main())
