"""``wscore serve``: its options, for the demonstration and for applications."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import for_blocking_client
from support.processes import running
from support.workers import ECHO, ask, ended, service
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus
from websockets.sync.client import connect, unix_connect

from wscore.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)

# The demonstration -------------------------------------------------------------------------------


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it says that it listens."""
    command = [sys.executable, "-m", "wscore", "serve", "--port", "0", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with running(subprocess.Popen(command, **pipes)) as process:
        found = re.search(r"wss?://[\d.]+:\d+/", process.stdout.readline())
        assert found is not None
        yield process, found[0]


def _log_of(process: subprocess.Popen[str]) -> str:
    process.terminate()
    return process.communicate(timeout=10)[1]


def test_serve_limits_connections() -> None:
    for option in ("--max-connections", "--max-connections-per-ip"):
        with serving(option, "1") as (_, uri), connect(uri) as ws:
            with pytest.raises(InvalidStatus) as caught:
                connect(uri)
            assert caught.value.response.status_code == 503
            ws.send("still here")
            assert ws.recv(timeout=5) == "still here"


def test_serve_closes_without_a_time_limit() -> None:
    with serving("--close-timeout", "inf") as (_, uri), connect(uri) as ws:
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


def test_serve_limits_messages() -> None:
    with serving("--max-size", "10") as (_, uri), connect(uri, max_size=None) as ws:
        ws.send("x" * 10)
        assert ws.recv(timeout=5) == "x" * 10
        ws.send("x" * 11)
        with pytest.raises(ConnectionClosedError, match="1009"):
            ws.recv(timeout=5)


@pytest.mark.parametrize(("level", "seen"), [("debug", True), ("warning", False)])
def test_serve_logs(level: str, seen: bool) -> None:
    with serving("--log-level", level) as (process, uri):
        with connect(uri):
            pass
        log = _log_of(process)
    assert ("connection open: '/'" in log) is seen
    if seen:
        # The connection's address and identifier stand in each line about it.
        assert len(set(re.findall(r"\('127.0.0.1', \d+\) [0-9a-f-]{36} ", log))) == 1


def make_certificate(folder: Path) -> list[str]:
    made, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return [str(made), str(key)]


@pytest.fixture
def certificate(tmp_path: Path) -> list[str]:
    return make_certificate(tmp_path)


def test_serve_speaks_tls(certificate: list[str]) -> None:
    trusting = for_blocking_client(ssl.create_default_context(cafile=certificate[0]))
    with serving("--tls", *certificate) as (_, uri), connect(uri, ssl=trusting) as ws:
        assert uri.startswith("wss://")
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"


def test_serve_tells_what_is_wrong(
    capsys: pytest.CaptureFixture[str], certificate: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port]) == 1
        assert f"wscore: cannot serve on 127.0.0.1:{port}: " in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--tls", "nowhere.pem", certificate[1]]) == 1
    assert "nowhere.pem" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--tls", certificate[1], certificate[1]]) == 1
    assert "cannot load certificate and key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "65536"],
        ["--port", "http"],
        ["--max-connections", "0"],
        ["--max-connections-per-ip", "-1"],
        ["--max-size", "-1"],
        ["--max-size", "big"],
        ["--close-timeout", "-1"],
        ["--close-timeout", "nan"],
        ["--log-level", "loud"],
        ["--tls", "only-one.pem"],
        ["--workers", "0"],
        ["--workers", "2"],
        ["--worker-port", "8000"],
        ["--factory"],
        ["--unix", "/tmp/s"],
        ["--loop", "trio"],
        ["--stop-timeout", "-1"],
        ["--ping-interval", "0"],
        ["--origin", "example.org"],
        ["--backlog", "0"],
        ["--trusted-proxy", "proxy.example"],
        ["--proxy-protocol"],
    ],
)
def test_serve_refuses(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["serve", *words])
    assert leaving.value.code == 2
    told = capsys.readouterr().err
    assert f"argument {words[0]}" in told
    assert "<" not in told.rpartition("argument")[2], "a function's repr in the message"


# Applications ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


def test_serve_an_application(folder: Path) -> None:
    with service(folder, "echo:handler") as served:
        assert ask(served.uri, "x") == f"{served.process.pid} x"
        assert served.end() == 0
        assert re.fullmatch(r"closing \d connections\n", served.log)


def test_serve_a_factory(folder: Path) -> None:
    (folder / "made.py").write_text(f"{ECHO}\nasync def make(settings=None):\n    return handler\n")
    with service(folder, "made:make", "--factory") as served:
        assert ask(served.uri, "x").endswith(" x")


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_serve_on_a_unix_socket(folder: Path, workers: list[str], loop: str) -> None:
    path = str(folder / "socket")
    with service(folder, "echo:handler", "--unix", path, "--loop", loop, *workers) as served:
        with unix_connect(path) as ws:
            ws.send("x")
            assert str(ws.recv(timeout=5)).endswith(" x")
        assert served.end() == 0
    assert not os.path.exists(path)


def test_options_of_the_command_line_overrule_those_of_the_application(folder: Path) -> None:
    (folder / "limited.py").write_text(
        f"import wscore.workers\n{ECHO}\n"
        "app = wscore.workers.App(handler, max_size=10, max_connections=1)"
    )
    with service(folder, "limited:app", "--max-size", "20") as served, connect(served.uri) as ws:
        ws.send("x" * 20)
        assert len(str(ws.recv(timeout=5))) > 20
        with pytest.raises(InvalidStatus):
            connect(served.uri)
        ws.send("x" * 21)
        with pytest.raises(ConnectionClosedError, match="1009"):
            ws.recv(timeout=5)


def test_serve_to_origins(folder: Path) -> None:
    ours = "https://example.org"
    with service(folder, "echo:handler", "--origin", ours) as served:
        with connect(served.uri, origin=ours):
            pass
        with pytest.raises(InvalidStatus) as caught:
            connect(served.uri, origin="https://example.com")
        assert caught.value.response.status_code == 403


def test_serve_without_compression(folder: Path) -> None:
    with service(folder, "echo:handler", "--no-compression") as served, connect(served.uri) as ws:
        assert ws.protocol.extensions == []


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_serve_behind_a_trusted_proxy(folder: Path, workers: list[str]) -> None:
    options = "--max-connections-per-ip", "1", "--trusted-proxy", "127.0.0.1", *workers
    with service(folder, "echo:handler", *options) as served:
        ann, bob = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
        with connect(served.uri, additional_headers=ann):
            with connect(served.uri, additional_headers=bob) as ws:
                ws.send("x")
                assert str(ws.recv(timeout=5)).endswith(" x")
            with pytest.raises(InvalidStatus) as caught:
                connect(served.uri, additional_headers=ann)
            assert caught.value.response.status_code == 503


def test_serve_with_the_proxy_protocol(folder: Path) -> None:
    with service(folder, "echo:handler", "--proxy-protocol") as served:
        with pytest.raises((InvalidMessage, OSError)):
            connect(served.uri)
        sock = socket.create_connection(("127.0.0.1", served.port))
        sock.sendall(b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\r\n")
        with connect(served.uri, sock=sock) as ws:
            ws.send("x")
            assert str(ws.recv(timeout=5)).endswith(" x")


def test_workers_speak_tls_with_the_certificate_of_today(
    folder: Path, certificate: list[str]
) -> None:
    with service(folder, "echo:handler", "--workers", "2", "--tls", *certificate) as served:
        for rolls in (1, 2):
            trusting = for_blocking_client(ssl.create_default_context(cafile=certificate[0]))
            with connect(f"wss://127.0.0.1:{served.port}/", ssl=trusting) as ws:
                ws.send("x")
                assert str(ws.recv(timeout=5)).endswith(" x")
            make_certificate(folder)  # in place of the other
            served.send(signal.SIGHUP)
            served.wait_for("all workers have been replaced", rolls)
        assert served.end() == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere_at_all:x"], "there is no module 'nowhere_at_all'"),
        (["echo:x"], "module 'echo' has no 'x'"),
        (["echo:os"], "handler must be a coroutine function or a Listener"),
        (["echo:handler", "--tls", "no.pem", "no.pem"], "cannot load certificate and key"),
        (["echo:handler", "--host", "nowhere.invalid"], "cannot serve on nowhere.invalid:0"),
        (["echo:handler", "--host", "a" * 100], "cannot serve on aaa"),
        (["broken:x"], "cannot serve broken:x: cannot import 'broken':\nTraceback"),
    ],
)
@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_what_cannot_be_served_is_told(
    folder: Path, words: list[str], told: str, workers: list[str]
) -> None:
    (folder / "broken.py").write_text("1/0")
    status, log = ended(folder, *words, "--port", "0", *workers)
    assert (status, told in log) == (1, True), log


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["echo"], "argument APP: must be MODULE:NAME, not 'echo'"),
        (["echo.py:handler"], "name the module, not its file: echo:handler"),
        (["echo:handler", "--unix", "s", "--port", "1"], "argument --unix: not with"),
        (["echo:handler", "--worker-port", "8000"], "argument --worker-port: needs --workers"),
        (
            ["echo:handler", "--workers", "2", "--worker-port", "65535"],
            "argument --worker-port: there are no ports 65535 to 65536",
        ),
        (
            ["echo:handler", "--workers", "2", "--worker-port", "0"],
            "argument --worker-port: there are no ports 0 to 1",
        ),
        (
            ["echo:handler", "--workers", "2", "--worker-port", "8764"],
            "argument --worker-port: 8764 to 8765 has the common port in it",
        ),
    ],
)
def test_serve_refuses_for_applications(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["serve", *words])
    assert leaving.value.code == 2
    assert told in capsys.readouterr().err


def test_lines_of_workers_tell_whose_they_are(folder: Path) -> None:
    (folder / "noisy.py").write_text(
        "import logging\nasync def handler(ws):\n    ws.logger.warning('100% mine')\n"
        "    await ws.wait_closed()\n"
    )
    with service(folder, "noisy:handler", "--workers", "2") as served:
        with connect(served.uri) as ws:
            address = ws.local_address
        served.wait_for("100% mine")
        [line] = [line for line in served.log.splitlines() if "mine" in line]
        found = re.search(r" WARNING worker (\d) \((\d+)\): (.*) [0-9a-f-]{36} 100% mine$", line)
        assert found is not None
        assert served.workers[int(found[1])] == int(found[2])
        assert found[3] == str(address)
