"""The clockwork of the benchmarks: order, loops, medians."""

from __future__ import annotations

import pytest

from bench.contract import Call, Missing
from bench.interleave import compare, figures_in_turns, interleave, sampler


def test_the_order_turns_round_from_one_round_to_the_next() -> None:
    calls: list[str] = []

    def contender(name: str) -> float:
        calls.append(name)
        return 1.0

    names = ("ours", "theirs", "third")
    interleave({name: lambda name=name: contender(name) for name in names}, rounds=3)
    assert calls == [*names, *reversed(names), *names]


def test_every_round_leaves_one_figure() -> None:
    figures = iter(range(10))
    taken = interleave({"a": lambda: float(next(figures)), "b": lambda: 0.5}, rounds=4)
    assert taken == {"a": [0.0, 1.0, 2.0, 3.0], "b": [0.5] * 4}


def test_figures_become_medians_and_who_is_missing_is_not_asked_again() -> None:
    rates = iter([1.0, 9.0, 2.0])
    asked: list[str] = []

    def missing() -> dict[str, float]:
        asked.append("missing")
        raise Missing("it is not installed")

    found = figures_in_turns({"here": lambda: {"rate": next(rates)}, "not": missing}, rounds=3)
    assert found == {
        "medians": {"here": {"rate": 2.0}},
        "rounds": {"here": [{"rate": 1.0}, {"rate": 9.0}, {"rate": 2.0}], "not": []},
        "missing": {"not": "it is not installed"},
    }
    assert asked == ["missing"]


def test_the_ratio_is_that_of_the_medians_and_the_spread_that_of_the_rounds() -> None:
    ratio = compare([1.0, 2.0, 9.0], [8.0, 6.0, 3.0])
    assert ratio.median == 3.0  # 6 / 2; the one slow round of ours does not count
    assert ratio.low == pytest.approx(3 / 9)
    assert ratio.high == 8.0


def test_contenders_with_different_numbers_of_rounds_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare([1.0, 2.0], [1.0])


def test_a_sample_loops_until_it_is_long_enough_and_gives_seconds_for_one_call() -> None:
    now, calls = 0.0, 0

    def work() -> None:
        nonlocal now, calls
        calls += 1
        now += 1e-6
        if calls == 40:
            now += 1  # an interruption, which does not make the sample long enough

    sample = sampler(Call("work()", work=work), seconds=0.002, clock=lambda: now)
    calls = 40
    assert sample() == pytest.approx(1e-6)
    assert 2000 <= calls - 40 <= 4000
