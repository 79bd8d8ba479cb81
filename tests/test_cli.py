"""The command line: its subcommands and its exit status."""

from __future__ import annotations

import subprocess
import sys

import pytest

import wscore
from wscore.cli import main


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    facts, libraries = capsys.readouterr().out.split("\n\n", 1)
    told = dict(line.split(maxsplit=1) for line in facts.splitlines() if "CPU" not in line)
    assert told["wscore"] == wscore.__version__
    assert told["backend"] == wscore.BACKEND
    assert told["kernel"] == wscore.KERNEL
    for library in ("websockets", "aiohttp", "wsaccel", "tested"):
        assert library in libraries


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wscore", "info"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"backend       {wscore.BACKEND}\n" in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"wscore {wscore.__version__}\n"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["info", "--nonsense"]])
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 2
    assert "usage: wscore" in capsys.readouterr().err
