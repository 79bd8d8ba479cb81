"""A fault that is planted in the subject of a target is found, and its reproducer kept."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from . import campaign

ROOT = Path(__file__).parents[2]
ENGINES = ["random", *(["atheris"] if find_spec("atheris") else [])]

# A campaign may take a minute, and atheris as long to start.
pytestmark = pytest.mark.timeout(240)

# Each is a target: that of another file, with something wrong in what it tests.
SURROGATES = """
import wscore._backend.primitives as primitives
from fuzz.backends import BACKENDS
from fuzz.targets.utf8 import seeds, test_one_input

class Lenient(primitives.Utf8Validator):
    __slots__ = ()
    def feed(self, data, /):
        return super().feed(bytes(data).replace(b"\\xed\\xa0\\x80", b"abc"))

for backend in BACKENDS:
    backend.Utf8Validator = Lenient
"""
NO_LIMIT = """
from wscore.protocol import head_reader
from fuzz.targets.request import TOKENS, seeds, test_one_input

head_reader.HeadReader._check_size = lambda *sizes: None
"""
NO_PONG = """
from wscore.protocol.connection import Protocol
from fuzz.targets.client import TOKENS, seeds, test_one_input

Protocol._answer = lambda self, payload: None
"""
TWO_CLOSES = """
from wscore.protocol.connection import Protocol
from fuzz.targets.server import TOKENS, seeds, test_one_input

send_close = Protocol._send_close
Protocol._send_close = lambda self, close: (send_close(self, close), send_close(self, close))
"""
CRASH = """
import os, signal

def test_one_input(data):
    if b"\\0" in data:
        os.kill(os.getpid(), signal.SIGKILL)

def seeds():
    return [b"abc", b"de"]
"""
LOOP = CRASH.replace("os.kill(os.getpid(), signal.SIGKILL)", "while True: pass")
FINE = """
def test_one_input(data):
    pass

def seeds():
    return [b"abc"]
"""


def plant(source: str, directory: Path) -> str:
    path = directory / "planted.py"
    path.write_text(source)
    return str(path)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("source", [SURROGATES, NO_LIMIT, NO_PONG, TWO_CLOSES])
def test_a_planted_fault_is_found(engine: str, source: str, tmp_path: Path) -> None:
    target = plant(source, tmp_path)
    found = campaign.run(target, 60, tmp_path / "found", engine=engine)
    assert found.finding is not None
    assert found.finding.name.startswith("crash-")
    assert found.engine == engine
    assert "AssertionError" in found.log.read_text()
    assert campaign.reproduce(target, found.finding) != 0
    found.finding.write_bytes(b"")
    assert campaign.reproduce(target, found.finding) == 0


def test_a_crash_is_found(tmp_path: Path) -> None:
    found = campaign.run(plant(CRASH, tmp_path), 60, tmp_path / "found", engine="random")
    assert found.finding is not None
    assert found.finding.name.startswith("crash-")
    assert b"\0" in found.finding.read_bytes()


def test_an_endless_loop_is_found(tmp_path: Path) -> None:
    found = campaign.run(plant(LOOP, tmp_path), 60, tmp_path / "found", engine="random", timeout=3)
    assert found.finding is not None
    assert found.finding.name.startswith("timeout-")
    assert b"\0" in found.finding.read_bytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_found_where_nothing_is(engine: str, tmp_path: Path) -> None:
    found = campaign.run(plant(FINE, tmp_path), 0.5, tmp_path / "found", engine=engine)
    assert found.finding is None
    assert found.executions > 100
    assert "nothing found" in str(found)


def test_findings_stay_and_are_not_mistaken_for_new_ones(tmp_path: Path) -> None:
    first = campaign.run(plant(CRASH, tmp_path), 60, tmp_path, engine="random").finding
    assert campaign.run(plant(FINE, tmp_path), 0.2, tmp_path, engine="random").finding is None
    assert first is not None
    assert first.exists()
    assert campaign.run(plant(CRASH, tmp_path), 60, tmp_path, engine="random").finding == first


def test_a_target_that_exits_is_a_finding(tmp_path: Path) -> None:
    leaving = CRASH.replace("os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(0)")
    found = campaign.run(plant(leaving, tmp_path), 60, tmp_path / "found", engine="random")
    assert found.finding is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_a_target_that_does_not_run_is_a_failure(engine: str, tmp_path: Path) -> None:
    target = plant("import no_such_module\n", tmp_path)
    with pytest.raises(campaign.CampaignFailed, match="no_such_module"):
        campaign.run(target, 1, tmp_path / "found", engine=engine)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip


def test_the_command_says_what_ran_and_what_it_found(tmp_path: Path) -> None:
    target = plant(CRASH, tmp_path)
    done = run(target, "--engine", "random", "--seconds", "60", "--directory", str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert "engine: random (mutations at random, not guided), seed 1" in done.stdout
    assert "FOUND" in done.stdout
    reproducer = done.stdout.split("--reproduce ")[1].strip()
    assert run(target, "--reproduce", reproducer).returncode != 0


def test_the_command_passes_where_nothing_is(tmp_path: Path) -> None:
    done = run("uri", "--engine", "random", "--seconds", "0.1", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stdout
    assert run("no_such_target").returncode == 2
