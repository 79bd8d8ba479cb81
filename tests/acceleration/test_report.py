"""The report that accelerate and restore give."""

from __future__ import annotations

import pytest

from wscore.acceleration import Outcome, Report

ACCELERATED = Outcome("wsproto", "1.3.2", "1.3", True, "sends and receives")
MISSING = Outcome("tornado", None, "6.5 to 6.6", False, "not installed")


def test_a_mapping_by_library() -> None:
    report = Report([ACCELERATED, MISSING])
    assert report["wsproto"] is ACCELERATED
    assert list(report) == ["wsproto", "tornado"]
    assert len(report) == 2
    assert [outcome.lifted for outcome in report.values()] == [True, False]
    with pytest.raises(KeyError):
        report["picows"]


def test_prints_as_a_table() -> None:
    assert str(Report([ACCELERATED, MISSING])).splitlines() == [
        "library  version  tested      accelerated",
        "wsproto  1.3.2    1.3         yes          sends and receives",
        "tornado  -        6.5 to 6.6  no           not installed",
    ]
    assert repr(Report([MISSING])) == f"Report([{MISSING!r}])"


def test_an_empty_one() -> None:
    assert str(Report([])) == "no libraries"
    assert not Report([])
