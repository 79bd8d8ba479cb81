"""One target fuzzed for a while in another process, which may crash or hang: it is a finding."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from .worker import Current, save

TESTS = Path(__file__).resolve().parents[1]
ENGINES = ("atheris", "random")
# Seconds that the process may take to start, and atheris to end.
_START = 120.0
# As libFuzzer puts it.
_written = re.compile(r"Test unit written to (.+)").search
_executions = re.compile(r"stat::number_of_executed_units:\s*(\d+)").search


class Result(NamedTuple):
    """What a campaign came to: no *finding* is good news only if there were *executions*."""

    target: str
    engine: str
    executions: int
    seconds: float
    finding: Path | None
    log: Path

    def __str__(self) -> str:
        rate = self.executions / self.seconds if self.seconds else 0.0
        verdict = "nothing found" if self.finding is None else f"FOUND {self.finding}"
        return (
            f"{self.target:12} {self.engine:8} {self.executions:9} executions in"
            f" {self.seconds:.0f} s, {rate:.0f}/s: {verdict}"
        )


class CampaignFailed(Exception):
    """The engine did not get to run, or ended too early; the text has the end of its log."""


def default_engine() -> str:
    return "atheris" if find_spec("atheris") is not None else "random"


def run(
    target: str,
    seconds: float,
    directory: Path,
    *,
    engine: str | None = None,
    seed: int = 1,
    timeout: float = 10.0,
    build: Path | None = None,
) -> Result:
    """Fuzz *target* for *seconds* and keep everything in *directory*.

    An input that takes longer than *timeout* seconds is a finding. *build* is a folder with
    another build of wscore than the one in this repository. Raises CampaignFailed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    engine = engine or default_engine()
    asked = {
        "target": target, "engine": engine, "directory": str(directory), "seconds": seconds,
        "seed": seed, "timeout": timeout,
    }  # fmt: skip
    current = Current(directory / "current", create=True)
    log = directory / "log"
    started = time.monotonic()
    with log.open("wb") as output, _start(asked, build, output) as process:
        try:
            hung = _watch(process, current, timeout if engine == "random" else seconds)
        finally:
            process.kill()
    took = time.monotonic() - started
    text = log.read_text(errors="replace")
    counted, written = _executions(text), _written(text)
    executions = int(counted[1]) if counted else current.count
    finding = Path(written[1]) if written else None
    if engine == "random" and (hung or process.returncode < 0):
        finding = save(directory, "timeout" if hung else "crash", current.data)
    if finding is None and (process.returncode != 0 or not executions):
        raise CampaignFailed(f"{target}: exit status {process.returncode}\n{text[-3000:]}")
    return Result(target, engine, executions, took, finding, log)


def reproduce(target: str, data: Path, build: Path | None = None) -> int:
    """Run *target* once, with the input in the file *data*; return the exit status."""
    with _start({"target": target, "engine": "once", "input": str(data), "directory": "",
                 "seconds": 0, "seed": 0}, build, None) as process:  # fmt: skip
        return process.wait()


def _start(asked: dict[str, Any], build: Path | None, output: Any) -> subprocess.Popen[bytes]:
    paths = [str(path) for path in (build, TESTS.parent, TESTS) if path is not None]
    script = f"import sys; sys.path[:0] = {paths!r}; from fuzz.worker import main; main()"
    environment = {**os.environ, **_preload(build)}
    return subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(asked)],
        stdout=output,
        stderr=output,
        env=environment,
    )


def _preload(build: Path | None) -> dict[str, str]:
    """An instrumented *build* needs the sanitizer's runtime, which atheris brings along."""
    if build is None:
        return {}
    atheris = find_spec("atheris")
    if atheris is None or atheris.origin is None:
        raise CampaignFailed("an instrumented build needs atheris")
    library = Path(atheris.origin).parents[1] / "asan_with_fuzzer.so"
    return {
        "LD_PRELOAD": str(library),
        "PYTHONMALLOC": "malloc",
        # Python frees little at its end, which is not ours to mend.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=32",
    }


def _watch(process: subprocess.Popen[bytes], current: Current, timeout: float) -> bool:
    """Wait for the end; tell whether the process was stopped because it stood still."""
    count, since = 0, time.monotonic()
    while _runs_on(process):
        if current.count != count:
            count, since = current.count, time.monotonic()
        elif time.monotonic() - since > timeout + (0 if count else _START):
            process.kill()
            process.wait()
            return True
    return False


def _runs_on(process: subprocess.Popen[bytes]) -> bool:
    """Whether *process* does not end within a moment."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return True
    return False
