"""The benchmark of the bridge: each contender is measured, and goals are judged rightly."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from support.benched import needs_cores

from bench import bridge
from bench.bridge import CONTENDERS, RIVAL, ROWS, US, bridging, missed, sample, summary
from bench.contract import Missing, Refused
from bench.load.bridging import Ends, both_ways, down, up

MACHINE = {
    "cpu": "a CPU",
    "cores": 2,
    "system": "Linux",
    "python": "CPython 3",
    "when": "2026-01-01T",
}


@needs_cores
@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("row", ROWS)
def test_every_contender_is_measured(row: str, contender: str) -> None:
    try:
        figures = sample(ROWS[row], contender, 0.05)
    except Missing as missing:
        pytest.skip(str(missing))
    assert set(ROWS[row].measures) <= figures.keys()
    assert all(figure > 0 for figure in figures.values())


@needs_cores
@pytest.mark.parametrize("flow", [up, down, both_ways])
@pytest.mark.parametrize("chunk", [64, 65536])
def test_the_load_counts_whole_chunks(flow: Any, chunk: int) -> None:
    with bridging(US) as found, Ends(found.port, found.listening) as ends:
        done = flow(ends, chunk, 0.05)
    assert done.nbytes > 0
    assert done.nbytes % chunk == 0


@needs_cores
def test_a_bridge_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTENDERS, US, lambda port, target: ["false"])
    with pytest.raises(Refused, match="does not listen"), bridging(US):
        pass


def test_it_measures_without_the_rival(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"rate": 1.0, "cpu bridge": 0.001, "cpu load": 0.001}

    def absent(distribution: str) -> str:
        raise PackageNotFoundError(distribution)

    def sampled(row: Any, name: str, seconds: float) -> dict[str, float]:
        if name == RIVAL:
            raise Missing("websockify is not installed")
        return figures

    monkeypatch.setattr(bridge, "version", absent)
    monkeypatch.setattr(bridge, "sample", sampled)
    assert bridge.main(["large", "--rounds", "1"]) == 0
    assert f"| {US} |" in capsys.readouterr().out


def document(ours: float, theirs: float) -> dict[str, Any]:
    medians = {
        US: {"rate": ours, "cpu bridge": 0.001, "cpu load": 0.001},
        RIVAL: {"rate": theirs, "cpu bridge": 0.004, "cpu load": 0.001},
    }
    return {
        "machine": MACHINE,
        "rounds": 1,
        "websockify": "0.13",
        "rows": {"large": {"medians": medians, "rounds": {}, "missing": {}}},
    }


def test_goals_are_judged_by_the_ratio() -> None:
    assert missed(document(301 << 20, 100 << 20)) == []
    [short] = missed(document(299 << 20, 100 << 20))
    assert "2.99x, not 3x" in short
    told = summary(document(301 << 20, 100 << 20))
    assert "| 3.01x | 3x | 4x |" in told
    assert "a CPU, 2 cores" in told


def test_the_rows_are_in_the_document() -> None:
    text = Path(bridge.__file__).parents[1].joinpath("docs", "bridge.md").read_text("utf-8")
    for row in ROWS.values():
        assert f"| {row.title} | {US} |" in text
