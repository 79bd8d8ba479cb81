"""The charts: what they show, that they say it in words as well, and that they are drawn anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import bridge, charts, machine, nodes, suites, tls
from bench.compare.parts import PARTS
from bench.compare.parts import names as names_of
from bench.drawing import described, short
from bench.load.asgi_cases import ASGI_CASES
from bench.load.cases import cases


def rounds(**seconds: list[float]) -> dict[str, dict[str, list[float]]]:
    return {
        name: {"seconds": taken, "bytes": [each * 1e10 for each in taken]}
        for name, taken in seconds.items()
    }


def test_the_best_stands_first_in_a_chart() -> None:
    figures = rounds(slow=[4e-6], fast=[2e-6, 1e-6, 0.5e-6])
    rates = charts.bars(charts.CHARTS["client"], figures)
    assert [bar.name for bar in rates] == ["fast", "slow"]
    assert rates[0][1:] == pytest.approx((1e6, 0.5e6, 2e6))
    assert rates[1][1:] == pytest.approx((2.5e5, 2.5e5, 2.5e5))
    sizes = charts.bars(charts.CHARTS["memory"], figures)
    assert [bar.figure for bar in sizes] == pytest.approx([1e4 / 1024, 4e4 / 1024])


def test_every_chart_shows_cases_that_exist() -> None:
    names = {case.name for case in (*cases(), *ASGI_CASES)}
    names |= {name for part in PARTS for name in names_of(part)}
    names |= {case.name for suite in suites.SUITES for case in suites.cases(suite)}
    for prefix, rows in (("nodes", nodes.ROWS), ("bridge", bridge.ROWS), ("tls", tls.ROWS)):
        names |= {f"{prefix}-{row}" for row in rows}
    assert all(chart.cases.keys() <= names for chart in charts.CHARTS.values())


def test_charts_are_drawn_for_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need it, measuring does not")
    found, directory = tmp_path / "end.json", tmp_path / "charts"
    figures = rounds(wscore=[1e-5], other=[2e-5])
    document = {
        "machine": machine.describe(),
        "pace": {"rounds": 5},
        "results": [{"case": {"name": "client-256B"}, "figures": figures}],
    }
    found.write_text(json.dumps(document))
    assert charts.main([str(found), str(directory)]) == 0
    (drawn,) = directory.iterdir()
    assert drawn.name == "client.svg"
    before = drawn.read_text()
    told = described(before)
    assert told["title"] == "Client"
    assert "more is better" in told["description"]
    assert "wscore 100 k, other 50 k" in told["description"]
    assert "prefers-color-scheme: dark" in before
    assert charts.main([str(found), str(directory)]) == 0
    assert drawn.read_text() == before
    document["results"][0]["case"]["name"] = "of no chart"
    found.write_text(json.dumps(document))
    assert charts.main([str(found), str(directory)]) == 1


@pytest.mark.parametrize(
    ("figure", "told"),
    [(0.4321, "0.432"), (64, "64"), (999.4, "999"), (999.9, "1 k"), (1234, "1.23 k"), (2e6, "2 M")],
)
def test_figures_in_charts_have_three_digits(figure: float, told: str) -> None:
    assert short(figure) == told
