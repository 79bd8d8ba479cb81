"""The benchmark of TLS: both transports are measured, and goals are judged rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.benched import needs_cores

from bench import tls
from bench.tls import LOOPS, ROWS, measure, missed, summary

MACHINE = {"cpu": "a CPU", "system": "Linux", "python": "CPython 3", "when": "2026-01-01T"}


@needs_cores
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("row", ROWS)
def test_both_transports_are_measured(row: str, loop: str) -> None:
    found = measure(ROWS[row], loop, 0.02, 1)
    assert found.keys() == {"ours", "the loop's"}
    assert all(figure > 0 for figures in found.values() for figure in figures)


def document(ours: float, theirs: float) -> dict[str, Any]:
    taken = {"ours": [ours], "the loop's": [theirs]}
    rows = {"64B-32": {"asyncio": taken}, "memory": {"uvloop": taken}}
    return {"machine": MACHINE, "openssl": "OpenSSL 3", "rounds": 1, "rows": rows}


def test_goals_are_judged_by_ratio() -> None:
    assert not missed(document(1.0, 1.5))
    assert missed(document(1.0, 1.4)) == ["SHORT: 64 B, 32 in flight, asyncio: 1.4x, not 1.5x"]
    assert len(missed(document(1.0, 0.9))) == 2


def test_the_table_tells_time_and_memory() -> None:
    lines = summary(document(2048e-6, 4096e-6)).splitlines()
    assert lines[2] == "| 64 B, 32 in flight | asyncio | 2.05 ms | 4.1 ms | 2x | 1.5x |"
    assert lines[3].startswith("| memory of an idle connection | uvloop | 0.0 KiB | 0.0 KiB | 2x")


def test_a_row_that_does_not_exist() -> None:
    with pytest.raises(SystemExit):
        tls.main(["nonsense"])


def test_results_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"ours": [1.0], "the loop's": [9.0]}
    monkeypatch.setattr(tls, "measure", lambda *arguments: found)
    assert tls.main(["64B-1", "--json", str(tmp_path / "found.json")]) == 0
    assert "the loop's" in (tmp_path / "found.json").read_text()
    assert "| 64 B, 1 in flight | uvloop |" in capsys.readouterr().out
