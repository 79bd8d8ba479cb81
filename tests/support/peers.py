"""Environments of other libraries: where they are, what of wscore they see, commands in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import wscore

__all__ = ["PEERS", "Failed", "execute", "only_wscore"]

PEERS = Path(__file__).resolve().parents[2] / ".peers"
# A suite that hangs is a failure.
SECONDS = 900


class Failed(Exception):
    """Something could not be installed or run; the text ends with its output."""


def only_wscore() -> Path:
    """A folder with wscore in it and nothing else that this environment has."""
    folder = PEERS / "wscore"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "wscore"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(wscore.__file__).parent, target_is_directory=True)
    return folder


def execute(
    *command: object, cwd: Path | None = None, accepted: tuple[int, ...] = (0,), **variables: str
) -> str:
    """Run *command* and return the end of what it wrote. Raises Failed."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        raise Failed(f"no end after {SECONDS} s: {hung.cmd}") from hung
    if done.returncode not in accepted:
        raise Failed(done.stdout[-4000:])
    return done.stdout[-4000:]
