"""One run of the suite against one endpoint: two processes on a port of the loopback.

Whatever its role, the side that listens starts first, and the side that connects decides when the
run is over. Only these two processes are ever stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["RunFailed", "Subject", "fuzz"]

START_TIMEOUT = 30.0  # seconds until the listening side accepts connections
STOP_TIMEOUT = 5.0  # seconds between SIGTERM and SIGKILL
POLL = 0.05  # seconds


class RunFailed(Exception):
    """There is no result: something did not start, ended early or took too long."""


@dataclass(frozen=True)
class Subject:
    """An endpoint under test."""

    name: str
    role: str  # "server" or "client"
    command: str  # "{port}" is replaced
    environment: Mapping[str, str]


@dataclass
class Side:
    """A running process and the file that has its output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def failed(self, what: str) -> RunFailed:
        last = self.log.read_text(errors="replace").splitlines()[-15:]
        return RunFailed("\n    ".join([f"{self.name} {what}; {self.log} ends with:", *last]))


def fuzz(
    wstest: Path, subject: Subject, cases: Sequence[str], reports: Path, timeout: float
) -> list[Verdict]:
    """Run *cases* against *subject* within *timeout* seconds; *reports* is emptied and written to.

    Raises RunFailed.
    """
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    port = _free_port()
    endpoint = shlex.split(subject.command.format(port=port))
    if subject.role == "server":
        suite = _suite(wstest, "fuzzingclient", port, cases, reports)
        order = {"endpoint": endpoint, "wstest": suite}
    else:
        suite = _suite(wstest, "fuzzingserver", port, cases, reports)
        order = {"wstest": suite, "endpoint": endpoint}
    _converse(order, subject.environment, port, reports, time.monotonic() + timeout)
    index = reports / "index.json"
    if not index.exists():
        raise RunFailed(f"wstest wrote no {index}")
    return judge(cases, json.loads(index.read_text()), reports)


def _suite(wstest: Path, mode: str, port: int, cases: Sequence[str], reports: Path) -> list[str]:
    uri = f"ws://127.0.0.1:{port}"
    spec: dict[str, object] = {"outdir": str(reports), "cases": cases}
    spec |= {"exclude-cases": [], "exclude-agent-cases": {}}
    spec |= {"url": uri} if mode == "fuzzingserver" else {"servers": [{"agent": "it", "url": uri}]}
    path = reports / "spec.json"
    path.write_text(json.dumps(spec, indent=1))
    return [str(wstest), "--mode", mode, "--spec", str(path), "--webport", "0"]


def _converse(
    order: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    port: int,
    reports: Path,
    deadline: float,
) -> None:
    with contextlib.ExitStack() as running:

        def start(name: str) -> Side:
            log = reports / f"{name}.log"
            return Side(name, running.enter_context(_started(order[name], environment, log)), log)

        listening, connecting = order
        listener = start(listening)
        _wait_until_listening(listener, port)
        connector = start(connecting)
        _wait_until_done(listener, connector, deadline)


@contextlib.contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise RunFailed(f"cannot start {command[0]}: {error}") from error
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_listening(listener: Side, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while listener.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise listener.failed(f"was not listening within {START_TIMEOUT:.0f} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            listener.process.wait(POLL)
    raise listener.failed(f"ended with status {listener.process.returncode}, never listening")


def _wait_until_done(listener: Side, connector: Side, deadline: float) -> None:
    while (status := connector.process.poll()) is None:
        if listener.process.poll() is not None:
            raise listener.failed(f"ended early with status {listener.process.returncode}")
        if time.monotonic() > deadline:
            raise connector.failed("took too long")
        with contextlib.suppress(subprocess.TimeoutExpired):
            connector.process.wait(POLL)
    if status != 0:
        raise connector.failed(f"ended with status {status}")
