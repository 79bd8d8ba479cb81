"""Every case of bad servers against our client over sockets, on both loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from .cases import ALL
from .clients import attack
from .verdict import complaint
from .vocabulary import CUTS, Role

CASES = [(theme, case) for theme, case in ALL if case.role is Role.CLIENT]


def _loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    import uvloop

    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", _loops())
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("theme", sorted({theme for theme, _ in CASES}))
def test_cases(theme: str, cut: str, loop: str) -> None:
    async def main() -> dict[str, str]:
        failed = {}
        for _, case in [row for row in CASES if row[0] == theme]:
            seen = await attack(case, CUTS[cut])
            problem = complaint(case, seen)
            if problem is not None:
                failed[case.name] = f"{problem} ({seen})"
        return failed

    running = _loops()[loop]()
    try:
        assert running.run_until_complete(main()) == {}
    finally:
        running.close()
