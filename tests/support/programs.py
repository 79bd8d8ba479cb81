"""Programs of the system that tests run."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["program"]


def program(name: str) -> str:
    """Where the program of this name is. Without it tests are skipped, and fail in CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("WSCORE_REQUIRE_PROXIES"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found
