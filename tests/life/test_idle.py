"""Thousands of idle connections, and then none."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from life.processes import Child, allow_descriptors, cpu_seconds, descriptors, resident

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS, FEWER = 10_000, 1_000
SPARE = 200
# Bytes of resident memory for each; `Listener` and coroutine.
LIMITS = {True: 8192, False: 12288}
# Times the processor time of a server that only sends pings, beside it. 1.1 to 1.4 here.
MAX_CPU = 3
# What else the machine does adds to that, so one of these has to be below it.
LOOKS = 3
ROUNDS = 2  # of heartbeats in each


def _settled(server: Child, count: int, tasks: int) -> dict[str, int]:
    """What *server* has once it holds *count* connections, *tasks* tasks, and nothing changes."""
    give_up = time.monotonic() + 30
    before, has = None, server.ask("counts")
    while has != before or (has["connections"], has["tasks"]) != (count, tasks):
        assert time.monotonic() < give_up, has
        time.sleep(0.1)
        before, has = has, server.ask("counts")
    return has


def _fill(server: Child, count: int) -> Child:
    crowd = Child(
        "crowd.py", port=server.hello, count=count, descriptors=count + SPARE,
        options={"open_timeout": 60},
    )  # fmt: skip
    assert crowd.hello == count
    return crowd


@pytest.mark.parametrize("listener", [True, False], ids=["listener", "coroutine"])
def test_ten_thousand_idle_connections(
    listener: bool, short: bool, figure: Callable[[str], None]
) -> None:
    wanted = FEWER if short else CONNECTIONS
    count = min(wanted, allow_descriptors(wanted + SPARE) - SPARE) // 50 * 50
    rest = 6.0 if short else 30.0  # seconds; one round of heartbeats
    options: dict[str, Any] = {"open_timeout": 60, "ping_interval": rest}
    server = Child("echo_server.py", listener=listener, descriptors=count + SPARE, options=options)
    with server:
        with _fill(server, 50):  # what is made once is made
            _settled(server, 50, 1 if listener else 51)
        base, base_files = _settled(server, 0, 1), descriptors(server.pid)
        peaks = []
        for _ in range(3):  # the first end makes what is kept for the next
            empty = resident(server.pid)
            with _fill(server, count) as crowd:
                _settled(server, count, 1 if listener else 1 + count)
                peaks.append(resident(server.pid))
                if len(peaks) == 1:
                    figure(f"{count} connections, {(peaks[0] - empty) / count:.0f} bytes each")
                    assert (peaks[0] - empty) / count < LIMITS[listener]
                    _assert_rests(server, count, rest, figure)
                    assert crowd.ask("alive") == count
            after = _settled(server, 0, 1)
            assert descriptors(server.pid) == base_files
            assert after["timers"] == base["timers"]
            assert after["objects"] < base["objects"] + 200
        left = resident(server.pid)
        figure(f"resident {peaks[0] >> 10} KiB at the peak, {left >> 10} KiB after the reset, "
               f"{peaks[1] >> 10} and {peaks[2] >> 10} KiB at the next")  # fmt: skip
        assert peaks[2] < peaks[1] * 1.05


def _assert_rests(server: Child, count: int, rest: float, figure: Callable[[str], None]) -> None:
    """Heartbeats cost little more than the pings themselves."""
    with (
        Child("bare_server.py", descriptors=count + SPARE, interval=rest) as bare,
        _fill(bare, count),
    ):
        ratio = inf
        for _ in range(LOOKS):
            before = cpu_seconds(server.pid), cpu_seconds(bare.pid)
            time.sleep(rest * ROUNDS)
            spent = cpu_seconds(server.pid) - before[0]
            ratio = min(ratio, spent / (cpu_seconds(bare.pid) - before[1]))
            if ratio < MAX_CPU:
                break
    figure(
        f"{spent / rest / ROUNDS:.2%} of a processor at rest, a heartbeat every {rest:g} s: "
        f"{ratio:.2f} times what its pings cost"
    )
    assert ratio < MAX_CPU
