"""How a loop is closed after a test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_a_server_left_open_is_told_and_does_not_keep_the_loop(run: Run) -> None:
    """uvloop warns of it; raised at once, that would have it wait for ever."""
    kept = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kept.append(await loop.create_server(asyncio.Protocol, "127.0.0.1", 0))

    with pytest.raises(ResourceWarning, match="TCPServer"):
        run(main())
