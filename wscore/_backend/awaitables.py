"""Coroutine methods in pure Python stay what they are: the twin of `awaitables.pxi`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., Any])


def coroutine_method(function: _Function) -> _Function:
    """Have what *function* makes, a coroutine function of a connection, be made in C.

    *function* is ``recv``, ``send`` or ``drain`` of a `BaseConnection`. The compiled backend
    returns a method that does the same without running any Python code, as long as no more than
    one step is needed. It looks like *function*, also to `inspect`, and calls it whenever the
    arguments are not the expected ones. Raises ValueError for other functions.
    """
    if function.__name__ not in ("recv", "send", "drain"):
        raise ValueError(f"{function.__name__} is not made in C")
    return function
