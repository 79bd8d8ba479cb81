"""What results depend on: the machine, the interpreter, wscore's kernel, all versions.

Called when measuring begins, because the machine should be at rest then.
"""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import wscore
from wscore import _backend

from .targets import peer_versions

__all__ = ["LIBRARIES", "describe", "engine"]

ROOT = Path(__file__).resolve().parent.parent
# What the contenders of any benchmark are or run on.
LIBRARIES = (
    *("aiohttp", "autobahn", "daphne", "fastapi", "granian", "hiredis", "httptools", "hypercorn"),
    *("numpy", "picows", "python-socketio", "redis", "socketify", "sse-starlette", "starlette"),
    *("tornado", "uvicorn", "uvloop", "websocket-client", "websockets", "websockify", "wsaccel"),
    "wsproto",
)


def describe() -> dict[str, Any]:
    """Return the description to store with every result."""
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "virtual": _is_virtual(),
        "system": platform.system(),
        "release": platform.release(),
        "load": _load(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "wscore": engine(),
        "revision": _revision(),
        "peers": peer_versions(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def engine() -> dict[str, Any]:
    """Return wscore's version and the backend and kernel that it chose at import."""
    return {
        "version": wscore.__version__,
        "backend": wscore.BACKEND,
        "kernel": wscore.KERNEL,
        "cpu_features": list(_backend.CPU_FEATURES),
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _memory() -> int | None:
    """Bytes of the machine's memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _is_virtual() -> bool | None:
    """Whether a hypervisor shares out the cores, where the processor tells."""
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    flags = [line.split() for line in info.splitlines() if line.startswith("flags")]
    return "hypervisor" in flags[0] if flags else None


def _load() -> float | None:
    """The load average of the last minute: near 0 on a machine at rest."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _revision() -> str | None:
    """The commit, with "-dirty" if what is measured differs from it; None outside a clone."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    if commit is None or commit.returncode:
        return None
    changed = _git("diff", "--quiet", "HEAD", "--", "wscore", "setup.py")
    return commit.stdout.strip() + ("-dirty" if changed and changed.returncode else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _cpu_model() -> str:
    """Return the processor's name in /proc/cpuinfo, else the one that Python knows."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
