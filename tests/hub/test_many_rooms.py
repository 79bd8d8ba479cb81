"""A connection in very many rooms: what is written to it costs what it does in one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable


def lines_of(call: Callable[[], object]) -> int:
    """How many lines of Python *call* runs."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.skipif(wscore.BACKEND != "python", reason="counts lines of the twin")
def test_a_write_takes_as_long_as_in_one(run: Any) -> None:
    async def main() -> None:
        async with guests(1, compression=None) as [(_, server)]:
            hub = wscore.Hub()
            hub.join(server, "one")
            server.write("x")
            few = lines_of(lambda: server.write("x"))
            for number in range(1000):
                hub.join(server, f"room {number}")
            await asyncio.sleep(0)
            server.write("x")
            assert few > 0
            assert lines_of(lambda: server.write("x")) <= 2 * few

    run(main())
