"""Accelerations are undone after each test, and every call that reaches a kernel is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

import wscore
from wscore import _backend
from wscore.acceleration import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(wscore.__file__).resolve().parents[1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kernel was called through an acceleration."""
    counted: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., object]:
        kernel = getattr(_backend, name)

        def call(*args: object) -> object:
            counted[name] += 1
            return kernel(*args)

        return call

    for name in ("apply_mask", "apply_mask_inplace", "is_utf8"):
        monkeypatch.setattr(_backend, name, counting(name))
    return counted


@pytest.fixture
def accelerate(calls: Counter[str]) -> Iterator[Callable[[str], Outcome]]:
    """Accelerator a library for this test; it must work."""

    def accelerate_one(library: str) -> Outcome:
        outcome = wscore.accelerate(library)[library]
        assert outcome.lifted, outcome
        calls.clear()
        return outcome

    yield accelerate_one
    wscore.restore()


@pytest.fixture
def isolated() -> Callable[..., str]:
    """Run a program in an interpreter of its own, where nothing is imported yet."""

    def run(program: str, *options: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *options, "-c", dedent(program)],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # What a library logs there is no answer, and is shown when a test fails.
        print(done.stderr, file=sys.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
