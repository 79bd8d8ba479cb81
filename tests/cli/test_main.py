"""The command line: its subcommands and its exit status."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.processes import free_port, running, wait_until_listening
from websockets.sync.client import connect

import wscore
from wscore.cli.main import main

if TYPE_CHECKING:
    pass


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    facts, libraries = capsys.readouterr().out.split("\n\n", 1)
    told = dict(line.split(maxsplit=1) for line in facts.splitlines() if "CPU" not in line)
    assert told["wscore"] == wscore.__version__
    assert told["backend"] == wscore.BACKEND
    assert told["kernel"] == wscore.KERNEL
    for library in ("websockets", "aiohttp", "wsaccel", "tested"):
        assert library in libraries


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("auto", "wscore's own, on asyncio and uvloop"),
        ("own", "wscore's own, on asyncio and uvloop"),
        ("asyncio", "that of the event loop: WSCORE_TRANSPORT=asyncio"),
        ("nonsense", "none: WSCORE_TRANSPORT='nonsense': choose auto, own or asyncio"),
    ],
)
def test_info_on_transports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wanted: str, told: str
) -> None:
    for name, value in (("BACKEND", "compiled"), ("HAS_REACTOR", True), ("_WAS_RUN", True)):
        monkeypatch.setattr(f"wscore.aio.reactor.{name}", value)
    monkeypatch.setenv("WSCORE_TRANSPORT", wanted)
    assert main(["info"]) == 0
    assert f"transport     {told}\n" in capsys.readouterr().out


def test_info_on_transports_that_the_twin_does_not_have(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wscore.aio.reactor.BACKEND", "python")
    reason = "there is no compiled backend"
    for wanted, told in (
        ("auto", f"that of the event loop: {reason}"),
        ("own", f"none: WSCORE_TRANSPORT=own, but {reason}"),
    ):
        monkeypatch.setenv("WSCORE_TRANSPORT", wanted)
        assert main(["info"]) == 0
        assert f"transport     {told}\n" in capsys.readouterr().out


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


def test_help_keeps_the_capitals_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bridge", "--help"])
    assert "Let WebSocket clients use a TCP server" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["nonsense"], ["info", "--nonsense"]])
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 2
    assert "usage: wscore" in capsys.readouterr().err


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
