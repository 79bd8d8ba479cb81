"""Scripts in a process of their own: what might end it, or must see it start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wscore

if TYPE_CHECKING:
    from types import ModuleType

_PATHS = [str(Path(__file__).parents[1]), str(Path(wscore.__file__).parents[1])]


def preamble() -> str:
    """What a script begins with that imports wscore and these helpers."""
    return f"import sys; sys.path[:0] = {_PATHS!r}\n"


def start(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *script*, which finds wscore and these helpers, under *environment* and nothing else
    that wscore reads."""
    if sys.platform == "emscripten":
        pytest.skip("this system has no processes")
    inherited = {name: value for name, value in os.environ.items() if name[:6] != "WSCORE"}
    return subprocess.run(
        [sys.executable, "-c", preamble() + script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**inherited, **environment},
    )


def run(backend: ModuleType, script: str) -> str:
    """The output of *script*, which finds the module as ``backend``."""
    done = start(f"import {backend.__name__} as backend\n{script}")
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
    return done.stdout
