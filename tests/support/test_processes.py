"""Processes end with the test that has started them, and ports are nobody else's."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from support.processes import eventually, free_port, running, wait_until_listening

WAITING = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def test_a_process_ends_when_the_test_fails() -> None:
    process = start(WAITING)
    with pytest.raises(pytest.fail.Exception), running(process):
        pytest.fail("on purpose")
    assert process.poll() is not None
    assert process.stdin is not None
    assert process.stdin.closed


def test_a_free_port_refuses_until_a_server_takes_it() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))

    async def main() -> None:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", port):
            socket.create_connection(("127.0.0.1", port)).close()

    asyncio.run(main())


def test_no_port_is_given_twice() -> None:
    ours = {free_port() for _ in range(100)}
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert other.getsockname()[1] not in ours
    assert len(ours) == 100


def test_a_server_that_does_not_start_is_told_of() -> None:
    leaving = start([sys.executable, "-c", "raise SystemExit(3)"])
    with running(leaving), pytest.raises(AssertionError, match="status 3"):
        wait_until_listening(leaving, free_port())


def test_what_never_happens_is_told_of() -> None:
    found = iter([0, 0, 7])
    assert eventually(lambda: next(found)) == 7
    with pytest.raises(AssertionError, match="last saw 0"):
        eventually(lambda: 0, patience=0.01)
