"""Copies of the sources, and a wheel that was built from one, in folders with a strange name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.installing import GENERATED, ROOT, STRANGE, build_wheel


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the repository without anything built: builds leave files behind."""
    return shutil.copytree(ROOT, tmp_path / STRANGE / "source", ignore=GENERATED)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder in which the wheel with the compiled backend was built, and that wheel."""
    base = tmp_path_factory.mktemp("compiled") / STRANGE
    source = shutil.copytree(ROOT, base / "source", ignore=GENERATED)
    done, wheel = build_wheel(source, base / "wheels", WSCORE_BUILD="require")
    assert done.returncode == 0, done.stdout
    assert wheel is not None
    return source, wheel
