"""Our own transport while allocations fail, each in turn: all is whole, or it is the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.isolated import run

if TYPE_CHECKING:
    from types import ModuleType

if sys.implementation.name != "cpython":  # PyPy would compile its own
    pytest.skip("about what CPython does without memory", allow_module_level=True)
pytest.importorskip("_testcapi", reason="this CPython was installed without it")

EACH = """
import asyncio, _testcapi, socket, sys
from support.lines import Lines, Recorder, turns

def starved(number, call):
    '''Whether *call* fails when its allocation of that number does.'''
    _testcapi.set_nomemory(number, number + 1)
    try:
        call()
    except MemoryError:
        return True
    finally:
        _testcapi.remove_mem_hooks()
    return False
"""

WRITING = (
    EACH
    + """
async def main():
    failures = 0
    for several in (False, True):
        for number in range(12):
            async with Lines(backend) as lines:
                line = lines.open(None, "unix")
                line.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                first, second, third = b"a" * 100, b"b" * 300_000, b"c" * 100
                line.transport.write(first)
                owners = sys.getrefcount(second)
                if several:
                    failed = starved(number, lambda: line.transport.writelines([second, third]))
                else:
                    failed = starved(number, lambda: line.transport.write(second))
                    if not failed:
                        line.transport.write(third)
                failures += failed
                assert sys.getrefcount(second) >= owners  # nobody has dropped it once too often
                if line.transport.is_closing():
                    assert failed
                    received = await line.receive(1_000_000)
                    assert (first + second + third).startswith(received)
                    assert await line.ended() is None
                else:
                    whole = first if failed else first + second + third
                    assert await line.receive(len(whole)) == whole, (number, several)
    assert failures
    print("fine")
asyncio.run(main())
"""
)

READING = (
    EACH
    + """
async def main():
    for number in range(40):
        async with Lines(backend) as lines:
            lines.loop.remove_reader(lines.reactor.fileno())
            line = lines.open(Recorder(64), "unix")
            line.theirs.send(b"a" * 1000)
            starved(number, lines.reactor.run)
            for _ in range(40):
                lines.reactor.run()
            if line.transport.is_closing():
                assert isinstance(await line.ended(), MemoryError)
                assert line.protocol.received == b"a" * len(line.protocol.received)
            else:
                assert line.protocol.received == b"a" * 1000, number
    print("fine")
asyncio.run(main())
"""
)


@pytest.mark.usefixtures("needs_reactor")
@pytest.mark.parametrize("script", [WRITING, READING], ids=["writing", "reading"])
def test_each_allocation_fails_in_turn(compiled: ModuleType, script: str) -> None:
    assert run(compiled, script) == "fine\n"
