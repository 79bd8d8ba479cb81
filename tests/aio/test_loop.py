"""What the connections of one event loop share."""

from __future__ import annotations

import asyncio
import gc
import platform
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.isolated import start
from support.rawpeer import echo, serving, uri

import wscore
from wscore.aio.loop import loop_data

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


class Wire:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended = 0

    def turn_ended(self) -> None:
        self.ended += 1


def test_each_loop_has_one_share(run: Run) -> None:
    async def mine() -> Any:
        loop = asyncio.get_running_loop()
        assert loop_data(loop) is loop_data(loop)
        return loop_data(loop)

    assert run(mine()) is not run(mine())


def test_a_share_goes_with_its_loop(run: Run) -> None:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        async with serving(echo) as server, wscore.connect(uri(server)):
            loop_data(loop)
            return weakref.ref(loop)

    loop = run(main())
    gc.collect()
    assert loop() is None


def test_idle_connections_share_one_buffer(run: Run) -> None:
    async def main() -> None:
        buffer = loop_data(asyncio.get_running_loop()).buffer
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            [connection] = server.connections
            for some in (ws, connection):
                assert len(wire_of(some).get_buffer(-1)) == len(buffer)
            reads = buffer.reads
            await ws.send("a")
            await ws.recv()
            assert buffer.reads == reads + 2, "both sides read into it"

    run(main())


def test_a_turn_ends_once_for_all(run: Run) -> None:
    async def main() -> None:
        shared = loop_data(asyncio.get_running_loop())
        wires = [Wire(), Wire(), Wire()]
        for turn in (1, 2):
            for wire in wires:
                shared.flush_soon(wire)  # type: ignore[arg-type]
            assert [wire.ended for wire in wires] == [turn - 1] * 3
            await asyncio.sleep(0)
            assert [wire.ended for wire in wires] == [turn] * 3

    run(main())


FREED = """
import asyncio, resource
import wscore.aio.loop

async def main():
    {before}
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        messages = [b"x" * 1048000 for _ in range(4)]
        del messages
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)

asyncio.run(main())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others keep memory otherwise")
def test_memory_of_large_messages_is_kept_for_the_next() -> None:
    def faults(before: str) -> int:
        done = start(FREED.format(before=before))
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    kept = faults("wscore.aio.loop.loop_data(asyncio.get_running_loop())")
    returned = faults("pass")
    assert kept < 5000, "four messages are 1,024 pages"
    assert returned > 20000, "the C library keeps it by itself"
