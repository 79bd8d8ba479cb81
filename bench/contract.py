"""What an adapter owes: a call that can be timed, checked against the truth before it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Any

__all__ = ["Call", "Missing", "Operation", "Probe", "Refused", "compiled", "same", "verify"]


class Missing(Exception):
    """A peer is not installed."""


class Refused(Exception):
    """A peer must not be timed: it answers wrongly, or is not what its name says."""


def _as_is(output: Any) -> Any:
    return output


class Call:
    """One expression over named values: what is timed, without a function call around it.

    *result* turns the expression's value into what the operation is defined to return; it is
    used for checking only and not timed. *denial* is the exception by which the library says
    False.
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
        """Run once and return the operation's result."""
        try:
            return self.result(self.function()())
        except Exception as error:
            if self.denial is None or not isinstance(error, self.denial):
                raise
            return False


# The arguments of an operation and the result that is right for them.
Probe = tuple[tuple[Any, ...], Any]


@dataclass(frozen=True)
class Operation:
    """A task that several libraries do: *probes* gives the true results to hold them to.

    ``probes(*args)`` starts with the arguments that are timed; others follow where a right
    answer to the first proves too little.
    """

    name: str
    probes: Callable[..., Iterable[Probe]]


def verify(target: ModuleType, operation: Operation, args: tuple[Any, ...]) -> Call:
    """Return *target*'s call for *operation*, after it answered every probe rightly.

    Raises Refused when an answer is wrong or the adapter has no such operation.
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
            raise Refused(f"{what} answers wrongly")
        timed = timed or call
    if timed is None:
        raise Refused(f"{operation.name} has no probe: nothing was checked")
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
