"""A test that hangs fails and leaves its stack, however it hangs, and the others run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LIMIT = 0.5  # seconds, and as long again until the last resort

CONFTEST = f"""
from support import time_limit
from support.time_limit import *

time_limit.GRACE = {LIMIT}
"""
PLANTED = """
import asyncio, itertools, time
import pytest

async def forever():
    await asyncio.Event().wait()

def test_waiting():
    asyncio.run(forever())

def block():
    time.sleep(600)

def test_a_callback_in_whose_loop_exceptions_vanish():
    loop = asyncio.new_event_loop()
    loop.call_soon(block)
    loop.run_forever()

@pytest.fixture
def server():
    yield
    tear_down()

def tear_down():
    time.sleep(600)

def test_tearing_down(server):
    pass

def keep_the_lock():
    all(itertools.repeat(True))

def test_c_code_that_keeps_the_interpreters_lock():
    keep_the_lock()

def test_fine():
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals and names of POSIX")
def test_a_hanging_test_fails_and_others_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n1", f"--timeout={LIMIT}", "-p", "no:cacheprovider",
         "-o", f"pythonpath={TESTS}", f"--rootdir={tmp_path}", "-rA", str(tmp_path)],
        capture_output=True, text=True, timeout=50, cwd=tmp_path,
    )  # fmt: skip
    told = done.stdout + done.stderr
    for outcome in (
        "FAILED test_planted.py::test_waiting",
        "FAILED test_planted.py::test_a_callback_in_whose_loop_exceptions_vanish",
        "FAILED test_planted.py::test_c_code_that_keeps_the_interpreters_lock",
        "ERROR test_planted.py::test_tearing_down",
        "PASSED test_planted.py::test_fine",
    ):
        assert outcome in told
    for stack in (
        ">       asyncio.run(forever())",
        ">       time.sleep(600)",
        "in test_a_callback_in_whose_loop_exceptions_vanish\n",
        "in keep_the_lock\n",
    ):
        assert stack in told
