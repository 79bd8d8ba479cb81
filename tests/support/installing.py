"""Builds and installs of wscore, in environments and from copies of the sources of their own."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

__all__ = [
    "GENERATED",
    "NO_COMPILER",
    "ROOT",
    "STRANGE",
    "build_wheel",
    "environment",
    "metadata",
    "names",
    "pip_in",
    "probe",
    "run",
    "script",
]

ROOT = Path(__file__).resolve().parents[2]
# A folder whose name is hard to quote.
STRANGE = "mit Leerzeichen, Grüße, 世界"
NO_COMPILER = {"CC": "/nonexistent", "CXX": "/nonexistent"}
GENERATED = shutil.ignore_patterns(
    *(".*cache", ".git", ".venv*", ".peers", ".hypothesis", ".benchmarks", "build", "dist"),
    *("*.egg-info", "__pycache__", "node_modules", "_speedups*.[ch]", "*.so", "*.pyd"),
)

# RFC 6455 5.7, through whatever backend is installed.
PROBE = """
import wscore
assert wscore.apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex() == "7f9f4d5158"
print(wscore.BACKEND, wscore.__version__, wscore.__file__, sep="\\n")
"""


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run to its end; output and errors come together, as a user sees them."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WSCORE_")}
    clean |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def build_wheel(
    source: Path, out: Path, **env: str
) -> tuple[subprocess.CompletedProcess[str], Path | None]:
    """What pip does for ``pip install .``, in the environment that is there; -v shows its words."""
    offline = ["--no-build-isolation", "--no-deps", "--no-index"]
    done = run(
        sys.executable, "-m", "pip", "wheel", "-v", *offline, "-w", out, source, cwd=source, **env
    )
    return done, next(out.glob("*.whl"), None)


def environment(where: Path) -> Path:
    """The interpreter of a fresh environment, which has nothing of its own, not even pip."""
    venv.create(where, with_pip=False)
    return script(where, "python")


def script(where: Path, name: str) -> Path:
    """What an environment has by that name."""
    return where / "Scripts" / f"{name}.exe" if os.name == "nt" else where / "bin" / name


def pip_in(python: Path, *words: object, **env: str) -> str:
    """Have our pip work on the environment of *python*, without an index; return what it says."""
    command = [sys.executable, "-m", "pip", "--python", python, *words]
    done = run(*command, cwd=python.parent, PIP_NO_INDEX="1", **env)
    assert done.returncode == 0, done.stdout
    return done.stdout


def probe(wheel_or_source: Path, where: Path, *options: str, **env: str) -> list[str]:
    """Install into a fresh environment and return what PROBE prints there."""
    python = environment(where)
    offline = ["--no-build-isolation", "--no-deps"]
    pip_in(python, "install", *offline, *options, wheel_or_source, **env)
    done = run(python, "-c", PROBE, cwd=where)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        path = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(path))
