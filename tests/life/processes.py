"""Processes that answer questions, and what Linux knows of them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_PATHS = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
_TICKS = os.sysconf("SC_CLK_TCK")


class Child:
    """A script of this folder in a process of its own; each line it reads and writes is JSON."""

    def __init__(self, script: str, **options: Any) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS)}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = self.process.pid
        try:
            self.hello = self.answer()
        except BaseException:
            self.kill()
            raise

    def answer(self) -> Any:
        """What it says next. Raises EOFError when it is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"{self.process.args[1]} ended with status {self.process.wait(10)}")
        return json.loads(line)

    def ask(self, question: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def resident(pid: int | None = None) -> int:
    """Bytes of memory in use."""
    pages = int(Path(f"/proc/{pid or os.getpid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def held_up(pid: int) -> float:
    """Seconds that it was ready to run, and others had the processors."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def allow_descriptors(wanted: int) -> int:
    """Raise the limit on descriptors as far as *wanted*; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            pass  # only root may
    allowed = min(max(soft, wanted), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
