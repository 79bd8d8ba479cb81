"""A clock that jumps, a loop that stands still, and a process that becomes two."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from life.processes import HERE, Child
from support import oracles
from support.rawpeer import echo, serving

import wscore
from wscore.testing import FakeClock, pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

INTERVAL, TIMEOUT = 0.4, 0.4
BEATING = {"ping_interval": INTERVAL, "ping_timeout": TIMEOUT}


@pytest.mark.parametrize("leap", [49.0, 51.0, 3600.0, 86400.0 * 365])
def test_a_clock_that_leaps(run_asyncio: Run, leap: float) -> None:
    """As after a machine has slept: everything is overdue, and both peers are alive."""

    async def main() -> None:
        async with FakeClock() as clock, pair(ping_interval=30, ping_timeout=20) as ends:
            await clock.advance(29)
            for _ in range(5):
                clock.move(clock.time() + leap)
                await clock.advance(1)
            await ends.client.send("still here")
            assert await receive(ends.server) == "still here"
            await clock.advance(600)
            assert ends.client.state is ends.server.state is wscore.State.OPEN

    run_asyncio(main())


def test_a_client_whose_loop_was_blocked(run: Run) -> None:
    options = {"listener": True, "descriptors": 100, "options": {"ping_interval": None}}
    with Child("echo_server.py", **options) as server:

        async def main() -> None:
            async with wscore.connect(f"ws://127.0.0.1:{server.hello}/", **BEATING) as ws:
                await asyncio.sleep(INTERVAL * 0.9)
                time.sleep(2 * (INTERVAL + TIMEOUT))
                await asyncio.sleep(INTERVAL + TIMEOUT)
                await ws.send("still here")
                assert await ws.recv() == "still here"

        run(main())


def test_a_server_whose_loop_was_blocked(run: Run) -> None:
    """A handler that computes does not cost the others their connections."""

    async def main() -> None:
        async with serving(echo, **BEATING) as server:
            port = server.sockets[0].getsockname()[1]
            options = {"port": port, "count": 50, "descriptors": 200}
            options["options"] = {"ping_interval": None}
            crowd = await asyncio.to_thread(Child, "crowd.py", **options)
            with crowd:
                await asyncio.sleep(INTERVAL * 0.9)
                time.sleep(2 * (INTERVAL + TIMEOUT))
                await asyncio.sleep(2 * (INTERVAL + TIMEOUT))
                assert len(server.connections) == 50
                assert await asyncio.to_thread(crowd.ask, "alive") == 50

    run(main())


def test_a_fork_repeats_no_masking_key() -> None:
    """The child has the connection, too; only the parent may go on with it."""
    done = subprocess.run(
        [sys.executable, str(HERE / "forking_client.py")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    *streams, echoed = done.stdout.split()
    assert len(streams) == 3  # the parent's and two children's
    keys = [frame.mask for hexed in streams for frame in oracles.decode(bytes.fromhex(hexed))]
    assert len(keys) == 3 * 64
    assert len(set(keys)) > 3 * 64 - 3
    assert echoed == "unharmed"
