"""What a process knows of being a worker."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.isolated import start

import wscore
from wscore.workers.environment import VARIABLE, Worker, current


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")  # restored, whatever a test leaves there
    monkeypatch.delenv(VARIABLE)


def test_a_process_that_is_none() -> None:
    assert current() is None
    wscore.Hub()


def test_a_worker_knows_which_it_is() -> None:
    Worker(2, 4).enter()
    assert current() == Worker(number=2, count=4)


def test_what_a_worker_starts_is_no_worker() -> None:
    Worker(2, 4).enter()
    script = "import wscore, wscore.workers as w; wscore.Hub(); print(w.current())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == "None\n"


@pytest.mark.parametrize("value", ["", "2", "2/4", "2/4/x", "²/4/1", "2/4/1/1"])
def test_what_is_no_such_value_is_ignored(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert current() is None


def test_a_hub_without_a_url_is_refused_in_one_of_several() -> None:
    Worker(1, 1).enter()
    wscore.Hub()
    Worker(1, 2).enter()
    with pytest.raises(RuntimeError, match=r"one of 2 workers.*give Hub a URL"):
        wscore.Hub()


def test_to_ask_costs_no_import_of_the_rest() -> None:
    """The hub asks."""
    script = (
        "import sys, wscore.workers.environment\n"
        "print([m for m in sys.modules if m in ('asyncio', 'multiprocessing', 'socket')])"
    )
    done = start(script)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_variable_names_this_process() -> None:
    Worker(3, 5).enter()
    assert os.environ[VARIABLE] == f"3/5/{os.getpid()}"
