"""What systemd gives a service, and what it is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.processes import running
from support.workers import ECHO, ask, command, service

from wscore.workers.systemd import inherited_sockets, notify

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("there is no systemd", allow_module_level=True)

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)

# As systemd does it: sockets from descriptor 3 on, and the process that they are meant for.
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="x")
os.execv(sys.executable, sys.argv[2:])
"""


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_socket_activation(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as given:
        port, number = given.getsockname()[1], given.fileno()
        words = command("echo:handler", *workers)
        activated = [sys.executable, "-c", ACTIVATED, str(number), *words]
        pipes = subprocess.PIPE
        with running(
            subprocess.Popen(activated, cwd=tmp_path, pass_fds=[number], stdout=pipes)
        ) as served:
            assert served.stdout.readline().decode() == f"listening on ws://127.0.0.1:{port}/\n"
            assert ask(f"ws://127.0.0.1:{port}/", "x").endswith(" x")
            served.terminate()
            assert served.wait(120) == 0
        # It is systemd's: connections wait for the next start.
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("meant", ["", "1", "x"])
def test_sockets_for_another_process(meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", meant)
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert inherited_sockets() == []
    assert "LISTEN_FDS" not in os.environ


def test_it_is_told_when_all_workers_serve(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(20)
        systemd.bind(str(tmp_path / "notify"))
        for words in ([], ["--workers", "2"]):
            with service(tmp_path, "echo:handler", *words, NOTIFY_SOCKET=str(tmp_path / "notify")):
                assert systemd.recv(100) == b"READY=1"
        # The first ended by SIGKILL.


def test_nobody_is_told_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("READY=1")
