"""Our own transport: what it sends at once, what it holds, and how it tells of that."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.lines import FAMILIES, Line, Lines, Recorder, reset, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")


def small(line: Line) -> None:
    """Have the system take little at once."""
    line.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    line.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_the_system_takes_leaves_at_once(
    run: Run, compiled: ModuleType, family: str, kind: Any
) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(None, family)
            line.transport.write(kind(b"abc"))
            line.transport.writelines([kind(b"d"), kind(b""), kind(b"ef")])
            line.transport.write(kind(b""))
            assert line.transport.get_write_buffer_size() == 0
            assert line.theirs.recv(100) == b"abcdef"

    run(main())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("several", [False, True])
def test_what_it_does_not_take_is_held_in_order(
    run: Run, compiled: ModuleType, family: str, several: bool
) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(None, family)
            small(line)
            expected = bytearray()
            for number in range(150):
                pieces = [os.urandom(number * 40), os.urandom(3), os.urandom(number)]
                kinds: list[Any] = [bytes, bytearray, memoryview]
                given = [kind(piece) for kind, piece in zip(kinds, pieces, strict=True)]
                if several:
                    line.transport.writelines(given)
                else:
                    for piece in given:
                        line.transport.write(piece)
                given[1][:] = b"???"  # what may change is copied
                expected += b"".join(pieces)
            assert line.transport.get_write_buffer_size() > 64 * 1024
            assert await line.receive(len(expected)) == expected
            await line.until(lambda: not line.transport.get_write_buffer_size())
            assert line.protocol.told == ["made", "pause", "resume"]
            assert await lines.is_quiet()

    run(main())


def test_more_pieces_than_the_system_takes_at_once(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            pieces = [os.urandom(3) for _ in range(5000)]
            line.transport.writelines(pieces)
            assert await line.receive(15000) == b"".join(pieces)

    run(main())


def test_a_long_chain_is_dropped_without_recursion(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            lines.fill(line)
            for _ in range(300_000):
                line.transport.write(b"x")
            line.transport.abort()
            assert line.transport.get_write_buffer_size() == 0

    run(main())


def test_views_of_other_shapes(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.write(memoryview(b"abcdef")[::2])
            line.transport.write(memoryview(b"abcdefgh").cast("I"))
            assert line.theirs.recv(100) == b"ace" + b"abcdefgh"

    run(main())


@pytest.mark.parametrize("data", ["text", None, 5])
def test_what_is_no_bytes(run: Run, compiled: ModuleType, data: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            with pytest.raises(TypeError):
                line.transport.write(data)
            with pytest.raises(TypeError):
                line.transport.writelines([b"a", data])
            line.transport.write(b"b")
            assert line.theirs.recv(100) == b"b"

    run(main())


# Marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (16384, 65536)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 10}, (10, 40)),
        ({"high": 0}, (0, 0)),
        ({"high": 1 << 70, "low": 3}, (3, (1 << 63) - 1)),
    ],
)
def test_marks(run: Run, compiled: ModuleType, given: Any, expected: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.set_write_buffer_limits(**given)
            assert line.transport.get_write_buffer_limits() == expected

    run(main())


@pytest.mark.parametrize("given", [{"high": 1, "low": 2}, {"high": -1}, {"low": -1}])
def test_marks_that_make_no_sense(run: Run, compiled: ModuleType, given: Any) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            with pytest.raises(ValueError, match="must be >="):
                line.transport.set_write_buffer_limits(**given)
            assert line.transport.get_write_buffer_limits() == (16384, 65536)

    run(main())


def test_it_is_told_above_the_high_and_at_the_low_mark(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            sizes: list[int] = []
            for name in ("pause", "resume"):
                line.protocol.do[name] = lambda: sizes.append(
                    line.transport.get_write_buffer_size()
                )
            line.transport.set_write_buffer_limits(300_000, 100_000)
            total = lines.fill(line)
            while line.transport.get_write_buffer_size() <= 300_000:
                assert line.protocol.told == ["made"]
                line.transport.write(bytes(1000))
                total += 1000
            assert line.protocol.told == ["made", "pause"]
            line.transport.write(bytes(1000))
            assert await line.receive(total + 1000) == bytes(total + 1000)
            await line.until(lambda: len(sizes) == 2)
            assert sizes[0] > 300_000
            assert sizes[1] <= 100_000
            assert line.protocol.told == ["made", "pause", "resume"]

    run(main())


def test_lower_marks_are_felt_at_once(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.transport.set_write_buffer_limits(1 << 20)
            lines.fill(line)
            assert line.protocol.told == ["made"]
            line.transport.set_write_buffer_limits(0)
            assert line.protocol.told == ["made", "pause"]

    run(main())


def test_whoever_is_told_may_write(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.protocol.do["pause"] = lambda: line.transport.write(b"p")
            line.protocol.do["resume"] = lambda: line.transport.write(b"r")
            line.transport.set_write_buffer_limits(0)
            total = lines.fill(line)
            received = await line.receive(total + 2)
            assert received == bytes(total) + b"pr"
            assert line.protocol.told == ["made", "pause", "resume"]

    run(main())


# The end of our side ---------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_half_close_after_the_rest(run: Run, compiled: ModuleType, full: bool) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            total = lines.fill(line) if full else 0
            assert line.transport.can_write_eof()
            line.transport.write_eof()
            line.transport.write_eof()
            with pytest.raises(RuntimeError, match="after write_eof"):
                line.transport.write(b"a")
            with pytest.raises(RuntimeError, match="after write_eof"):
                line.transport.writelines([b"a"])
            assert await line.receive(total + 1) == bytes(total)
            line.theirs.send(b"still here")
            await line.until(lambda: line.protocol.received == b"still here")
            line.transport.close()
            line.transport.write_eof()
            assert await line.ended() is None

    run(main())


def test_the_end_of_our_side_within_the_last_write(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            line.protocol.do["resume"] = lambda: line.transport.write_eof()
            total = lines.fill(line)
            while "pause" not in line.protocol.told:
                line.transport.write(bytes(65536))
                total += 65536
            assert await line.receive(total + 1) == bytes(total)
            assert line.protocol.told == ["made", "pause", "resume"]

    run(main())


@pytest.mark.parametrize("full", [False, True])
def test_close_after_the_rest(run: Run, compiled: ModuleType, full: bool) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            total = lines.fill(line) if full else 0
            line.transport.close()
            line.transport.close()
            assert line.transport.is_closing()
            line.transport.write(b"too late")
            line.transport.writelines([b"too late"])
            line.transport.resume_reading()
            assert not line.transport.is_reading()
            assert "lost" not in line.protocol.told
            assert await line.receive(total + 1) == bytes(total)
            assert await line.ended() is None
            assert "read" not in line.protocol.told

    run(main())


def test_abort_drops_the_rest(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            total = lines.fill(line)
            held = line.transport.get_write_buffer_size()
            line.transport.abort()
            assert line.transport.get_write_buffer_size() == 0
            assert len(await line.receive(total)) == total - held
            assert await line.ended() is None

    run(main())


def test_a_peer_that_is_gone_is_met_in_writing(run: Run, compiled: ModuleType) -> None:
    """At once, or when something was held; what the system says is the reason of the end."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            for full in (False, True):
                line = lines.open()
                line.transport.pause_reading()
                if full:
                    lines.fill(line)
                reset(line.theirs)
                await turns(2)
                if not full:
                    line.transport.write(b"a")
                    assert line.transport.is_closing()
                    line.transport.write(b"b")
                error = await line.ended()
                assert isinstance(error, (ConnectionResetError, BrokenPipeError))
                assert error.errno
                assert line.protocol.told[-1] == "lost"
            assert lines.reports == []

    run(main())


def test_held_memory_is_let_go(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            lines.fill(line)
            owner = bytearray(b"abc")
            view = memoryview(owner).toreadonly()
            line.transport.write(view)
            view.release()  # the transport has a view of its own
            with pytest.raises(BufferError):
                owner.append(1)
            line.transport.abort()
            owner.append(1)

    run(main())


def test_finalizers_in_the_middle_of_a_write(run: Run, compiled: ModuleType) -> None:
    """What they write comes before or after, never within."""
    import gc

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            small(line)

            class Writes:
                def __del__(self) -> None:
                    line.transport.write(b"\1" * 1000)

            expected, before = 0, gc.get_threshold()
            gc.set_threshold(1)
            try:
                for _ in range(50):
                    garbage = Writes()
                    garbage.own = garbage  # type: ignore[attr-defined]
                    del garbage
                    line.transport.writelines([b"\0" * 700, memoryview(b"\0" * 300)])
                    line.transport.write(b"\0" * 1000)
                    expected += 2000
            finally:
                gc.set_threshold(*before)
            gc.collect()
            expected += 50 * 1000
            received = await line.receive(expected)
            pieces = {received[i : i + 1000] for i in range(0, len(received), 1000)}
            assert pieces == {b"\0" * 1000, b"\1" * 1000}

    run(main())


def test_many_writers(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            made = [lines.open(Recorder()) for _ in range(300)]
            for number, line in enumerate(made):
                line.transport.write(b"%d" % number)
            echoed = [await line.receive(len(str(n))) for n, line in enumerate(made)]
            assert echoed == [b"%d" % number for number in range(300)]
            for line in made:
                line.theirs.send(b"x")
            await asyncio.gather(*(line.until_told("read") for line in made))
            assert len(lines.reactor) == 300

    run(main())
