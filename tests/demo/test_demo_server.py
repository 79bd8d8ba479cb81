"""The echo server of the command line, as a process: its page, its echo, its end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from support.processes import running
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and host:port."""
    command = [sys.executable, "-m", "wscore", "serve", "--port", "0"]
    with running(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        found = re.search(r"ws://([\d.]+:\d+)/", process.stdout.readline())
        assert found is not None
        yield process, found[1]


def test_page_and_health(server: tuple[subprocess.Popen[str], str]) -> None:
    _, address = server
    with urllib.request.urlopen(f"http://{address}/?q=1", timeout=5) as page:
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert b"<title>wscore echo</title>" in page.read()
    with urllib.request.urlopen(f"http://{address}/health", timeout=5) as health:
        assert health.read() == b"OK\n"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{address}/nowhere", timeout=5)
    assert refused.value.code == 404
    refused.value.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_echo_until_a_signal(server: tuple[subprocess.Popen[str], str], signum: int) -> None:
    process, address = server
    with connect(f"ws://{address}/any/path") as ws:
        for message in ("Grüße 🎉", b"\x00\xff"):
            ws.send(message)
            assert ws.recv(timeout=5) == message
        process.send_signal(signum)
        with pytest.raises(ConnectionClosedOK) as closed:
            ws.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert process.wait(5) == 0
