"""Which sockets are ready, asked once for all of them: what is not about any one transport."""

from __future__ import annotations

import gc
import os
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.lines import Lines, Recorder, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")


def test_the_twin_has_none(backends: list[ModuleType]) -> None:
    assert not hasattr(backends[-1], "Reactor")


def test_one_call_of_the_loop_serves_all_that_is_ready(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            made = [lines.open() for _ in range(20)]
            await turns(3)
            before = lines.runs
            for line in made:
                line.theirs.send(b"a")
            lines.reactor.run()
            assert [bytes(line.protocol.received) for line in made] == [b"a"] * 20
            assert lines.runs == before

    run(main())


def test_who_becomes_ready_meanwhile_is_served_as_well(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            later = lines.open()
            first = lines.open(Recorder(do={"read": lambda: later.theirs.send(b"b")}))
            await turns(3)
            first.theirs.send(b"a")
            lines.reactor.run()
            assert (first.protocol.received, later.protocol.received) == (b"a", b"b")

    run(main())


def test_who_is_ready_for_ever_does_not_keep_the_loop(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open(Recorder(do={"read": lambda: line.theirs.send(b"a")}), "unix")
            await turns(3)
            line.theirs.send(b"a")
            for _ in range(3):
                before = len(line.protocol.received)
                lines.reactor.run()
                assert before < len(line.protocol.received) < before + 20

    run(main())


def test_more_than_a_batch_takes_are_all_served(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            made = [lines.open(None, "unix") for _ in range(400)]
            for line in made:
                line.theirs.send(b"a")
            for line in made:
                await line.until_told("read")

    run(main())


def test_an_exception_loses_nothing_of_the_batch(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            made = [lines.open() for _ in range(3)]

            def stop() -> None:
                raise SystemExit

            made[1].protocol.do["read"] = stop
            for line in made:
                line.theirs.send(b"a")
            with pytest.raises(SystemExit):
                lines.reactor.run()
            made[1].protocol.do = {}
            await turns(5)
            assert [bytes(line.protocol.received) for line in made] == [b"a"] * 3

    run(main())


def test_it_counts_who_is_watched(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            assert len(lines.reactor) == 0
            made = [lines.open() for _ in range(3)]
            assert len(lines.reactor) == 3
            made[1].transport.abort()
            assert len(lines.reactor) == 2

    run(main())


def test_what_is_watched_stays(run: Run, compiled: ModuleType) -> None:
    """Also a connection that nobody else knows, and that reads nothing."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            theirs, protocol = line.theirs, line.protocol
            line.transport.pause_reading()
            lines.made.clear()
            protocol.transport = None
            gone = weakref.ref(protocol)
            del line, protocol
            gc.collect()
            assert gone() is not None
            gone().lost.set_result(None)  # type: ignore[union-attr]
            assert len(lines.reactor) == 1
            theirs.close()
            transport = next(t for t in gc.get_objects() if isinstance(t, compiled.SocketTransport))
            transport.abort()
            await turns(2)
            del transport
            gc.collect()
            assert gone() is None

    run(main())


def test_its_descriptor_is_closed_with_it_and_not_inherited(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        reactor = compiled.Reactor(compiled.ReadBuffer(), lambda: None, None, None)
        descriptor = reactor.fileno()
        assert not os.get_inheritable(descriptor)
        assert reactor.run() is None
        del reactor
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(main())


def test_without_descriptors_there_is_none(compiled: ModuleType) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            compiled.Reactor(compiled.ReadBuffer(), lambda: None, None, None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_collected_circle_closes_its_sockets(run: Run, compiled: ModuleType) -> None:
    """Whatever the order is in which the collector finalizes a transport and its socket object."""

    async def main() -> None:
        lines = Lines(compiled)
        line = lines.open(Recorder())
        line.transport.get_extra_info("socket")
        line.protocol.lost.set_result(None)
        theirs, descriptor = line.theirs, line.descriptor
        del lines, line
        with pytest.warns(ResourceWarning):
            gc.collect()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
        assert theirs.recv(1) == b""
        theirs.close()

    run(main())
