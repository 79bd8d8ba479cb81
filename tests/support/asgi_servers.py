"""uvicorn and gunicorn as processes of their own, and what is seen of them from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

from support.processes import eventually, free_port, running, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["OURS", "OWN", "AsgiServer", "gunicorn", "launched", "uvicorn"]

OURS = "wscore.asgi:WebSocketProtocol"
# uvicorn's own classes.
OWN = ["websockets-sansio", "wsproto"]


class AsgiServer:
    """A server that is running, and writes its log to a file."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
        self.process = process
        self.port = port
        self._log_file = log_file

    @property
    def log(self) -> str:
        """What it and its workers have logged so far."""
        return self._log_file.read_text(encoding="utf-8")

    def wait_for_log(self, text: str) -> None:
        """Wait until *text* is in the log."""
        eventually(lambda: text in self.log)

    def wait_until_started(self, workers: int) -> None:
        """Wait until so many workers have. Before it they miss a signal, or die of it."""
        eventually(lambda: self.log.count("Application startup complete.") == workers)

    def connect(self, path: str = "/", scheme: str = "ws", **options: Any) -> connect:
        """A client of websockets, as a context manager."""
        return connect(f"{scheme}://127.0.0.1:{self.port}{path}", **options)

    def get(self, path: str = "/") -> tuple[int, str]:
        """Status and body of the answer to an HTTP request."""
        return self._ask("GET", path)

    def post(self, path: str) -> tuple[int, str]:
        """The same for a request that changes something, without a body."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def control_c(self) -> int:
        """What a terminal does: all its processes get the signal. Returns the status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(30)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, wait until it has ended, and return its status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def launched(
    command: Sequence[str], folder: Path, port: int, descriptors: Sequence[int] = ()
) -> Iterator[AsgiServer]:
    """A server that *command* starts, which logs to a new file in *folder*."""
    log_file = folder / f"log-{len(list(folder.glob('log-*')))}"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
        )
        server = AsgiServer(process, port, log_file)
        with running(process):
            try:
                yield server
            except BaseException:
                print(server.log)  # pytest shows it with the failure
                raise
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its workers, too


@contextmanager
def uvicorn(
    app: str, *options: str, folder: Path, apps: Path, ws: str = OURS
) -> Iterator[AsgiServer]:
    """uvicorn that serves *app*, of a module in *apps*, on a port of 127.0.0.1."""
    port = free_port()
    command = ["-m", "uvicorn", app, "--app-dir", str(apps), "--ws", ws, *options]
    with launched([*command, "--port", str(port)], folder, port) as server:
        wait_until_listening(server.process, port)
        yield server


@contextmanager
def gunicorn(app: str, *options: str, folder: Path) -> Iterator[AsgiServer]:
    """gunicorn that serves *app*, of a module in *folder*, on a port of 127.0.0.1."""
    port = free_port()
    command = ["-m", "gunicorn", app, "--chdir", str(folder), "--bind", f"127.0.0.1:{port}"]
    with launched([*command, *options], folder, port) as server:
        wait_until_listening(server.process, port)
        yield server
