"""The contract of adapters: a call to time, whose results are checked before timing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Any

__all__ = ["Call", "Missing", "Operation", "Probe", "Refused", "compiled", "same", "verify"]


class Missing(Exception):
    """A library is not installed."""


class Refused(Exception):
    """A library must not be timed: its results are wrong, or it is not what its name says."""


def _as_is(output: Any) -> Any:
    return output


class Call:
    """One expression over named values, timed without a function call around it.

    *result* converts the value of the expression to the result that the operation defines. It is
    used only for checking and not timed. *denial* is the exception that stands for False.
    """

    __slots__ = ("denial", "expression", "names", "result")

    def __init__(
        self,
        expression: str,
        *,
        result: Callable[[Any], Any] = _as_is,
        denial: type[Exception] | None = None,
        **names: Any,
    ) -> None:
        self.expression = expression
        self.names = names
        self.result = result
        self.denial = denial

    def function(self) -> Callable[[], Any]:
        """Return the expression as a function without parameters."""
        return eval(f"lambda: {self.expression}", self.names)  # type: ignore[no-any-return]

    def answer(self) -> Any:
        """Run once and return the result of the operation."""
        try:
            return self.result(self.function()())
        except Exception as error:
            if self.denial is None or not isinstance(error, self.denial):
                raise
            return False


# The arguments of an operation and the correct result for them.
Probe = tuple[tuple[Any, ...], Any]


@dataclass(frozen=True)
class Operation:
    """A task that several libraries perform. *probes* returns the correct results to check.

    ``probes(*args)`` starts with the arguments that are timed. More follow where a correct result
    for the first proves too little.
    """

    name: str
    probes: Callable[..., Iterable[Probe]]


def verify(target: ModuleType, operation: Operation, args: tuple[Any, ...]) -> Call:
    """Check the results of *target* for every probe of *operation*. Return the call to time.

    Raises Refused if a result is wrong or the adapter does not have the operation.
    """
    what = f"{target.__name__.rpartition('.')[2]}.{operation.name}"
    prepare = getattr(target, operation.name, None)
    if prepare is None:
        raise Refused(f"{what} does not exist")
    timed: Call | None = None
    for probe, expected in operation.probes(*args):
        try:
            call: Call = prepare(*probe)
            answer = call.answer()
        except Exception as error:
            raise Refused(f"{what} raises {type(error).__name__}: {error}") from error
        if answer != expected:
            raise Refused(f"{what} returns a wrong result")
        timed = timed or call
    if timed is None:
        raise Refused(f"{operation.name} has no probes: nothing was checked")
    return timed


def compiled(module: ModuleType) -> None:
    """Raise Refused unless *module* is an extension module."""
    file = module.__file__ or "built-in"
    if not file.endswith(tuple(EXTENSION_SUFFIXES)):
        raise Refused(f"{module.__name__} is not compiled: {file}")


def same(what: str, used: object, expected: object) -> None:
    """Raise Refused unless the library really uses *expected* under the name *what*."""
    if used is not expected:
        raise Refused(f"{what} is {used!r}, not {expected!r}")
