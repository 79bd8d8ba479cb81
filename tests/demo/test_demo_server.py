"""The server of the command line, as a process: its pages, its echo, its chat, its end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.processes import running
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from wscore.demo.server import _own_address

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and host:port."""
    command = [sys.executable, "-m", "wscore", "serve", "--port", "0"]
    with running(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        found = re.search(r"ws://([\d.]+:\d+)/echo", process.stdout.readline())
        assert found is not None
        yield process, found[1]


@pytest.mark.parametrize(("path", "title"), [("/?q=1", "wscore chat"), ("/echo", "wscore echo")])
def test_pages(path: str, title: str, server: tuple[subprocess.Popen[str], str]) -> None:
    _, address = server
    with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as page:
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = page.headers["Content-Security-Policy"]
        text = page.read().decode()
    assert f"<title>{title}</title>" in text
    # Nothing runs but what is in the page, and nothing is fetched from elsewhere.
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == text.count("<script>") + text.count("<style>")
    assert "unsafe" not in policy
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", text)


def test_health(server: tuple[subprocess.Popen[str], str]) -> None:
    _, address = server
    with urllib.request.urlopen(f"http://{address}/health", timeout=5) as health:
        assert health.read() == b"OK\n"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{address}/nowhere", timeout=5)
    assert refused.value.code == 404
    refused.value.close()


@pytest.mark.parametrize("path", ["/", "/echo", "/any/path", "/chats"])
def test_echo_on_every_path_but_one(path: str, server: tuple[subprocess.Popen[str], str]) -> None:
    with connect(f"ws://{server[1]}{path}") as ws:
        for message in ("Grüße 🎉", b"\x00\xff"):
            ws.send(message)
            assert ws.recv(timeout=5) == message


def test_chat(server: tuple[subprocess.Popen[str], str]) -> None:
    address = server[1]
    for uri, origin in (
        (f"ws://{address}/chat?x", None),
        (f"ws://{address}/chat", "http://" + address),
    ):
        with connect(uri, origin=origin) as ws:  # type: ignore[arg-type]
            ws.send('{"type": "hello", "name": "Ada", "token": "t"}')
            assert json.loads(ws.recv(timeout=5))["type"] == "welcome"


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://127.0.0.1"])
def test_pages_of_others_cannot_chat(
    origin: str, server: tuple[subprocess.Popen[str], str]
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{server[1]}/chat", origin=origin).__enter__()  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    with connect(f"ws://{server[1]}/echo", origin=origin) as ws:  # type: ignore[arg-type]
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("path", ["/echo", "/chat"])
def test_until_a_signal(path: str, signum: int, server: tuple[subprocess.Popen[str], str]) -> None:
    process, address = server
    with connect(f"ws://{address}{path}") as ws:
        process.send_signal(signum)
        with pytest.raises(ConnectionClosedOK) as closed:
            ws.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert process.wait(5) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_crowd_comes_from_this_machine(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        server: Any = SimpleNamespace(sockets=[sock])
        loopback = "[::1]" if ":" in host else "127.0.0.1"
        assert _own_address(server) == f"{loopback}:{sock.getsockname()[1]}"
