"""What tests of workers serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.workers import ECHO

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``echo:handler``."""
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path
