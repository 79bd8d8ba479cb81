"""The command line: its subcommands and its exit status."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.processes import free_port, running, wait_until_listening
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

import wscore
from wscore.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    facts, libraries = capsys.readouterr().out.split("\n\n", 1)
    told = dict(line.split(maxsplit=1) for line in facts.splitlines() if "CPU" not in line)
    assert told["wscore"] == wscore.__version__
    assert told["backend"] == wscore.BACKEND
    assert told["kernel"] == wscore.KERNEL
    for library in ("websockets", "aiohttp", "wsaccel", "tested"):
        assert library in libraries


def test_a_backend_that_nobody_asked_for_is_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip hides the warning of a build that went on without a compiler."""
    monkeypatch.setattr("wscore._backend.BACKEND", "python")
    for asked, told in (("auto", True), ("python", False)):
        monkeypatch.setenv("WSCORE_BACKEND", asked)
        assert main(["info"]) == 0
        assert ("WSCORE_BUILD=require makes pip say why" in capsys.readouterr().out) is told


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wscore", "info"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"backend       {wscore.BACKEND}\n" in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"wscore {wscore.__version__}\n"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["info", "--nonsense"]])
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 2
    assert "usage: wscore" in capsys.readouterr().err


# serve -------------------------------------------------------------------------------------------


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


@pytest.fixture
def certificate(tmp_path: Path) -> list[str]:
    made, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return [str(made), str(key)]


def test_serve_speaks_tls(certificate: list[str]) -> None:
    trusting = ssl.create_default_context(cafile=certificate[0])
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
    ],
)
def test_serve_refuses(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["serve", *words])
    assert leaving.value.code == 2
    told = capsys.readouterr().err
    assert f"argument {words[0]}" in told
    assert "<" not in told.rpartition("argument")[2], "a function's repr in the message"


# stdout that takes nothing -----------------------------------------------------------------------


@pytest.mark.parametrize("words", ["info", "--help", "--version", "serve --port 0", "serve --help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(words: str, unbuffered: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m wscore {words} >/dev/full"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    reason = os.strerror(errno.ENOSPC)
    assert done.stderr in ("", f"wscore: cannot write to stdout: {reason}\n")
    assert done.returncode == 1 or (words, unbuffered) in SWALLOWED
    assert done.stderr or (words, unbuffered) in SWALLOWED


# argparse of CPython 3.12 and newer keeps to itself that it could not print.
SWALLOWED = [(words, "1") for words in ("--help", "--version", "serve --help")]


def test_a_server_without_standard_streams() -> None:
    port = free_port()
    script = f'exec "$0" -m wscore serve --port {port} <&- >&- 2>&-'
    with running(subprocess.Popen(["sh", "-c", script, sys.executable])) as server:
        wait_until_listening(server, port)
        with connect(f"ws://127.0.0.1:{port}/") as ws:
            ws.send("hello")
            assert ws.recv(timeout=5) == "hello"
        server.terminate()
        assert server.wait(20) == 0
