"""Our own transport and its loop: closed, stopped, run within itself, in threads and processes."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from support.isolated import run as run_isolated
from support.lines import Line, Lines, turns
from support.loops import LOOPS

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.usefixtures("needs_reactor")


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_is_closed_with_connections_open(compiled: ModuleType, new_loop: Any) -> None:
    async def main() -> tuple[Any, list[Line]]:
        lines = Lines(compiled)
        lines.loop.add_reader(lines.reactor.fileno(), lines.reactor.run)
        made = [lines.open() for _ in range(3)]
        lines.fill(made[1])
        made[2].transport.abort()
        return lines.reactor, made

    loop = new_loop()
    reactor, made = loop.run_until_complete(main())
    descriptors = [line.descriptor for line in made]
    loop.close()
    for line in made[:2]:
        line.transport.write(b"a")
        line.transport.pause_reading()
        line.transport.resume_reading()
    made[1].transport.close()
    made[1].transport.abort()
    assert made[1].transport.fileno() == -1
    assert "lost" not in made[1].protocol.told
    made[1].transport.write(b"a")
    made[1].transport.close()
    for line in made:
        line.theirs.close()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del made, line, loop, reactor
        gc.collect()
    assert [str(w.message) for w in told if w.category is ResourceWarning] == [
        "unclosed transport of wscore"
    ]
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_loop_that_is_stopped_and_run_again(compiled: ModuleType) -> None:
    for new_loop in LOOPS.values():
        loop = new_loop()

        async def main() -> Lines:
            lines = await Lines(compiled).__aenter__()
            lines.open().theirs.send(b"a")
            return lines

        lines = loop.run_until_complete(main())
        [line] = lines.made
        loop.run_until_complete(line.until(lambda: line.protocol.received == b"a"))  # noqa: B023
        line.theirs.send(b"b")
        loop.run_until_complete(line.until(lambda: line.protocol.received == b"ab"))  # noqa: B023
        loop.run_until_complete(lines.__aexit__())
        loop.close()


def test_two_loops_in_two_threads(compiled: ModuleType) -> None:
    results: list[int] = []

    async def main() -> None:
        async with Lines(compiled) as lines:
            made = [lines.open() for _ in range(20)]
            for _ in range(100):
                for line in made:
                    line.theirs.send(b"x" * 10)
                await turns(1)
            for line in made:
                await line.until(lambda: len(line.protocol.received) == 1000)  # noqa: B023
            results.append(len(made))

    def work() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [20, 20]


def test_debug_mode_tells_of_the_wrong_thread(compiled: ModuleType) -> None:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()

            def elsewhere() -> None:
                for end in (line.transport.close, line.transport.abort):
                    with pytest.raises(RuntimeError, match="Non-thread-safe"):
                        end()
                assert not line.transport.is_closing()

            await loop.run_in_executor(None, elsewhere)
            line.theirs.send(b"a")
            await line.until(lambda: line.protocol.received == b"a")
            line.transport.close()
            assert await line.ended() is None

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_loop_that_is_run_within_a_callback(compiled: ModuleType) -> None:
    """As nest_asyncio does: the class of the loop is another one then, and no context is shared."""
    loop = asyncio.new_event_loop()
    original = asyncio.BaseEventLoop._run_once

    async def main() -> None:
        async with Lines(compiled) as lines:
            lines.reactor = compiled.Reactor(
                compiled.ReadBuffer(), lambda: loop, original, lambda fd: None
            )
            loop.add_reader(lines.reactor.fileno(), lines.reactor.run)
            outer, inner = lines.open(), lines.open()

            def nest() -> None:
                inner.theirs.send(b"inner")
                outer.protocol.do = {}
                outer.theirs.send(b"more")
                for _ in range(50):
                    type(loop)._run_once(loop)
                seen.append(bytes(inner.protocol.received + outer.protocol.received))

            seen: list[bytes] = []
            outer.protocol.do["read"] = nest
            outer.theirs.send(b"a")
            await outer.until(lambda: seen)
            assert seen == [b"inneramore"]
            loop.remove_reader(lines.reactor.fileno())
            assert lines.reports == []

    class Nested(type(loop)):  # type: ignore[misc]
        def _run_once(self) -> None:
            current = asyncio.current_task(self)
            if current is not None:
                asyncio.tasks._leave_task(self, current)
            try:
                original(self)
            finally:
                if current is not None:
                    asyncio.tasks._enter_task(self, current)

    loop.__class__ = Nested
    loop.run_until_complete(main())
    loop.close()


FORKED = """
import asyncio, os, socket, sys
from support.lines import Lines, turns
async def main():
    async with Lines(backend) as lines:
        line = lines.open()
        other = lines.open()
        child = os.fork()
        if not child:
            # What a child of asyncio's does: it lets go of all that it has inherited.
            other.transport.pause_reading()
            line.transport.abort()
            lines.reactor.run()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        for one in (line, other):
            one.theirs.send(b"abc")
            await one.until(lambda: one.protocol.received == b"abc")
        line.transport.close()
        await line.ended()
    print("fine")
asyncio.run(main())
"""


def test_a_child_does_not_take_the_sockets_of_its_parent(compiled: ModuleType) -> None:
    assert run_isolated(compiled, FORKED) == "fine\n"
