"""What results depend on: the machine, the interpreter, wscore's kernel, all versions."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import wscore
from wscore import _backend

from .targets import peer_versions

__all__ = ["describe", "engine"]


def describe() -> dict[str, Any]:
    """Return the description to store with every result."""
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "wscore": engine(),
        "peers": peer_versions(),
    }


def engine() -> dict[str, Any]:
    """Return wscore's version and the backend and kernel that it chose at import."""
    return {
        "version": wscore.__version__,
        "backend": wscore.BACKEND,
        "kernel": wscore.KERNEL,
        "cpu_features": list(_backend.CPU_FEATURES),
    }


def _cpu_model() -> str:
    """Return the processor's name in /proc/cpuinfo, else the one that Python knows."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
