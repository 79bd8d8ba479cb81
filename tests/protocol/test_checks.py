"""Checks of options: what passes, and which error what does not pass raises."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest

from wscore.protocol.checks import (
    check_function,
    check_integer,
    check_kind,
    check_number,
    check_seconds,
    checked_list,
    checked_tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("value", [0, 0.5, 3600, 1e300])
def test_seconds(value: float) -> None:
    check_seconds("x", value)
    check_seconds("x", value or 1, positive=True)
    check_seconds("x", None, optional=True)


@pytest.mark.parametrize("value", [-1, -0.1, inf, -inf, nan])
def test_what_is_out_of_range_is_a_value_error(value: float) -> None:
    for check in (check_seconds, lambda *given: check_number(*given, "a number", 0, 1)):
        with pytest.raises(ValueError, match=r"^x must be a .*number.*, not "):
            check("x", value)


def test_positive_is_more_than_zero() -> None:
    with pytest.raises(ValueError, match="x must be a positive number of seconds, not 0"):
        check_seconds("x", 0, positive=True)


def test_integers() -> None:
    check_integer("x", 0)
    check_integer("x", 1 << 70, least=1)
    check_integer("x", None, optional=True)
    for wrong in (-1, 10):
        with pytest.raises(ValueError, match="x must be an integer, 0-9, not"):
            check_integer("x", wrong, most=9)


@pytest.mark.parametrize("value", [True, "1", b"1", (1, 2), [1], 1j, None, object])
@pytest.mark.parametrize("check", [check_seconds, check_integer])
def test_other_things_are_no_numbers(check: Callable[[str, Any], None], value: Any) -> None:
    with pytest.raises(TypeError, match=r"^x must be"):
        check("x", value)


def test_kinds() -> None:
    check_kind("x", "a", (str, bool), "a str or a bool")
    check_kind("x", None, str, "a str", optional=True)
    for optional in (False, True):
        with pytest.raises(TypeError, match="x must be a str"):
            check_kind("x", 1, str, "a str", optional=optional)
    with pytest.raises(TypeError, match="x must be a str, not None"):
        check_kind("x", None, str, "a str")


async def _async() -> None: ...


def test_functions() -> None:
    check_function("x", print)
    check_function("x", None, optional=True)
    for wrong in (1, "print", _async):
        with pytest.raises(TypeError, match=r"x must be a function \(not async\)"):
            check_function("x", wrong)
    with pytest.raises(TypeError, match=r"x must be a function .*, not None"):
        check_function("x", None)


def test_lists_are_not_strings() -> None:
    assert checked_list("x", iter([1, 2]), int, "integers") == (1, 2)
    for wrong in ("abc", b"abc", 1, None, ["a"], [1, None]):
        with pytest.raises(TypeError, match="x must be a list of integers"):
            checked_list("x", wrong, int, "integers")


def test_tokens() -> None:
    assert checked_tokens("x", ["chat", "v1.b"]) == ("chat", "v1.b")
    for wrong in ("a b", "", "ü", "a,b"):
        with pytest.raises(ValueError, match="x must be a list of tokens"):
            checked_tokens("x", ["a", wrong])


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(TypeError) as caught:
        check_integer("x", "a" * 1000)
    assert len(str(caught.value)) < 200
