"""The harness itself: what is selected, and that everything but a pass is a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from selection import select, without_slow
from verdict import judge, table

CASES = ["1.1.1", "6.4.1", "6.4.2", "9.1.6", "9.6.1", "10.1.1", "12.1.3", "12.1.10"]


def result(behavior: str, close: str = "OK") -> dict[str, object]:
    return {"behavior": behavior, "behaviorClose": close, "duration": 1, "reportfile": "x.json"}


def passed(case: str, behavior: str, close: str = "OK") -> bool:
    (verdict,) = judge([case], {"agent": {case: result(behavior, close)}}, Path())
    return verdict.passed


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        (["1"], ["1.1.1"]),
        (["6.4"], ["6.4.1", "6.4.2"]),
        (["10", "6.4.2", "6.4.2"], ["6.4.2", "10.1.1"]),
        (["12.1.1"], None),
        (["11"], None),
    ],
)
def test_select(wanted: list[str], selected: list[str] | None) -> None:
    if selected is not None:
        assert select(CASES, wanted) == selected
    else:
        with pytest.raises(ValueError, match="no case"):
            select(CASES, wanted)


def test_short_leaves_out_what_is_slow() -> None:
    assert set(CASES) - set(without_slow(CASES)) == {"9.6.1", "12.1.10"}


@pytest.mark.parametrize("case", ["1.1.1", "6.4.1", "7.1.6", "7.13.1"])
def test_only_ok_passes(case: str) -> None:
    informational = case.startswith("7")
    assert passed(case, "OK")
    assert passed(case, "INFORMATIONAL", "INFORMATIONAL") is informational
    for bad in [
        "NON-STRICT",
        "FAILED",
        "WRONG CODE",
        "UNCLEAN",
        "FAILED BY CLIENT",
        "UNIMPLEMENTED",
    ]:
        assert not passed(case, bad)
        assert not passed(case, "OK", bad)


def test_a_case_without_a_result_fails() -> None:
    verdicts = judge(["1.1.1", "1.1.2"], {"agent": {"1.1.1": result("OK")}}, Path())
    assert [verdict.passed for verdict in verdicts] == [True, False]
    assert "1.1.2: NOT RUN" in table({"it": verdicts})


def test_nothing_asked_for_is_no_success() -> None:
    with pytest.raises(ValueError, match="no cases"):
        judge([], {}, Path())


def test_results_of_another_run_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not asked for: 1\.1\.2"):
        judge(["1.1.1"], {"agent": {"1.1.2": result("OK")}}, Path())
