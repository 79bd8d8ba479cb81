"""The same cases and adapters under pytest-benchmark: ``python -m pytest bench``.

pytest-benchmark adds a function call to each measurement and does not interleave. Use it to
compare wscore with itself over time (``--benchmark-autosave``, ``--benchmark-compare``). For
ratios, use ``python -m bench``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import suites, targets
from bench.cases import Case
from bench.contract import Missing, verify


def _runs() -> Iterator[object]:
    """Every contender of every case, except cases that need a separate process."""
    for suite in suites.SUITES:
        for case in suites.cases(suite):
            if not case.own_process:
                for contender in case.contenders:
                    yield pytest.param(case, contender, id=f"{case.name}-{contender}")


@pytest.mark.parametrize(("case", "contender"), list(_runs()))
def test_kernel(case: Case, contender: str, benchmark: BenchmarkFixture) -> None:
    try:
        target = targets.load(contender)
    except Missing as reason:
        pytest.skip(str(reason))
    call = verify(target, case.operation, case.args)
    benchmark.group = case.name
    benchmark.extra_info["messages"] = case.messages
    benchmark(call.function())
