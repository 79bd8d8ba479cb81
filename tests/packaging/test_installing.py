"""Installs by an old pip without a compiler, and what uninstalls leave."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from support.installing import (
    NO_COMPILER,
    build_wheel,
    environment,
    pip_in,
    run,
    script,
)

# The oldest that do it. pip 18 does not run on Python 3.10, older ones than 23.1 not on 3.12, and
# editable installs by pyproject.toml came with 21.3.
OLD_PIPS = {"plain": "19.3.1", "editable": "21.3.1"}
if sys.version_info >= (3, 12):
    OLD_PIPS = dict.fromkeys(OLD_PIPS, "23.1.2")
# Uses most modules, so that most of them leave their bytecode.
EXERCISE = """
import pkgutil, wscore, wscore.hub, wscore.bridge, wscore.testing
for module in pkgutil.walk_packages(wscore.__path__, "wscore."):
    if module.name != "wscore.__main__":
        try:
            __import__(module.name)
        except ImportError:  # of an extra
            pass
print(wscore.BACKEND)
"""
QUIETLY = ["-W", "ignore", "-c"]  # some modules of websockets' names are deprecated ones
FROM_HERE = ["--no-build-isolation", "--no-deps"]
# For fresh environments, which have no setuptools and no Cython of their own.
WITH_OURS = {"PYTHONPATH": sysconfig.get_path("purelib")}


@pytest.mark.parametrize("way", OLD_PIPS)
def test_an_old_pip_without_a_compiler(source: Path, way: str) -> None:
    """What the build needs comes from the package index, as usual."""
    where = source.parent / "env"
    assert run(sys.executable, "-m", "venv", where, cwd=source).returncode == 0
    pip = [script(where, "python"), "-m", "pip"]
    done = run(*pip, "install", f"pip=={OLD_PIPS[way]}", cwd=where)
    assert done.returncode == 0, done.stdout
    assert run(*pip, "--version", cwd=where).stdout.startswith(f"pip {OLD_PIPS[way]} ")
    editable = ["--editable"] if way == "editable" else []
    done = run(*pip, "install", *editable, source, cwd=where, **NO_COMPILER)
    assert done.returncode == 0, done.stdout
    done = run(script(where, "python"), *QUIETLY, EXERCISE, cwd=where)
    assert (done.returncode, done.stdout) == (0, "python\n")
    done = run(script(where, "wscore"), "info", cwd=where)
    assert done.returncode == 0, done.stdout
    assert "backend       python" in done.stdout


# What is left ------------------------------------------------------------------------------------


def files(where: Path) -> set[str]:
    return {str(path.relative_to(where)) for path in where.rglob("*")}


@pytest.mark.parametrize("way", ["compiled wheel", "pure wheel", "editable"])
def test_an_uninstall_leaves_nothing(
    way: str, compiled: tuple[Path, Path], source: Path, tmp_path: Path
) -> None:
    """Neither bytecode, nor folders; nor anything at home, after it was used."""
    wheel = {"compiled wheel": compiled[1]}.get(way)
    if way == "pure wheel":
        _, wheel = build_wheel(source, tmp_path / "wheels", WSCORE_BUILD="skip")
    (tmp_path / "home").mkdir()
    where = tmp_path / "env"
    python = environment(where)
    before = files(where)
    install = ["--editable", source] if wheel is None else [wheel]
    # Bytecode that comes by use is not in pip's list of what it has installed.
    options = [*FROM_HERE, "--no-compile"]
    pip_in(python, "install", *options, *install, WSCORE_BUILD="skip", **WITH_OURS)
    env = {"HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": ""}
    done = run(python, *QUIETLY, EXERCISE, cwd=tmp_path, **env)
    assert done.returncode == 0, done.stdout
    bytecode = [name for name in files(where) - before if name.endswith(".pyc")]
    assert len(bytecode) > 100 or wheel is None
    pip_in(python, "uninstall", "--yes", "wscore-engine")
    assert files(where) <= before  # pip removes folders that it leaves empty
    assert not files(tmp_path / "home")
