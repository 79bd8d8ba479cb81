"""The tree of errors, and what a closed connection tells."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import pytest

import wscore
from wscore import Headers, Response, errors
from wscore.frames import Close

if TYPE_CHECKING:
    from collections.abc import Callable

BYE = Close(1000, "bye")
GONE = Close(1001)


def test_every_error_is_a_websocket_error() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.WebSocketError), name


@pytest.mark.parametrize(
    ("rcvd", "sent", "rcvd_then_sent", "text"),
    [
        (None, None, None, "no close frame received or sent"),
        (BYE, BYE, True, "received 1000 (normal closure) bye; then sent 1000 (normal closure) bye"),
        (GONE, BYE, False, "sent 1000 (normal closure) bye; then received 1001 (going away)"),
        (BYE, None, None, "received 1000 (normal closure) bye; then no close frame sent"),
        (None, GONE, None, "no close frame received; then sent 1001 (going away)"),
        (Close(4000, "x"), None, None, "received 4000 (private use) x; then no close frame sent"),
        (Close(3000), None, None, "received 3000 (registered); then no close frame sent"),
    ],
)
def test_a_closed_connection_tells_who_closed_and_how(
    rcvd: Close | None, sent: Close | None, rcvd_then_sent: bool | None, text: str
) -> None:
    assert str(errors.ConnectionClosedError(rcvd, sent, rcvd_then_sent)) == text


def test_the_cause_is_part_of_the_text() -> None:
    closed = errors.ConnectionClosedError(None, None)
    closed.__cause__ = TimeoutError("the peer did not close in time")
    assert str(closed) == "no close frame received or sent (the peer did not close in time)"


@pytest.mark.parametrize(
    ("rcvd", "code", "reason"),
    [(None, 1006, ""), (Close(), 1005, ""), (Close(4001, "why"), 4001, "why")],
)
def test_code_and_reason_are_the_peers(rcvd: Close | None, code: int, reason: str) -> None:
    closed = errors.ConnectionClosed(rcvd, BYE)
    assert (closed.code, closed.reason) == (code, reason)


def test_codes_of_violations() -> None:
    assert errors.ProtocolError("x").code == 1002
    assert errors.ProtocolError("x", 1007).code == 1007
    assert errors.PayloadTooBig("x").code == 1009


# Pickling and copying ----------------------------------------------------------------------------

HEADERS = Headers([("X-A", "1"), ("X-A", "2")])
ANSWER = Response(503, "No", HEADERS, b"why")
# For errors that take something else than a text.
SAMPLES: dict[type[Exception], Callable[[], Exception]] = {
    errors.ProtocolError: lambda: errors.ProtocolError("x", 1007),
    errors.ConnectionClosed: lambda: errors.ConnectionClosed(BYE, None),
    errors.ConnectionClosedOK: lambda: errors.ConnectionClosedOK(BYE, GONE, True),
    errors.ConnectionClosedError: lambda: errors.ConnectionClosedError(None, GONE),
    errors.ReconnectionFailed: lambda: errors.ReconnectionFailed(3),
    errors.InvalidURI: lambda: errors.InvalidURI("ws://u:p@", "host is missing"),
    errors.InvalidProxy: lambda: errors.InvalidProxy("x://u:p@", "unknown scheme"),
    errors.InvalidHandshake: lambda: errors.InvalidHandshake("x", 405, (("Allow", "GET"),)),
    errors.InvalidMessage: lambda: errors.InvalidMessage("x", 431),
    errors.InvalidStatus: lambda: errors.InvalidStatus(ANSWER),
    errors.InvalidProxyStatus: lambda: errors.InvalidProxyStatus(ANSWER),
    errors.InvalidRedirect: lambda: errors.InvalidRedirect("too many", ANSWER),
    errors.InvalidHeader: lambda: errors.InvalidHeader("X-A", "b", 426, (("X-B", "c"),)),
    errors.InvalidUpgrade: lambda: errors.InvalidUpgrade("Upgrade", "h2c"),
    errors.InvalidOrigin: lambda: errors.InvalidOrigin("https://a.example"),
}


def _all_errors() -> list[type[Exception]]:
    """Every error that a public module of wscore defines."""
    found: set[type[Exception]] = set()
    for module in pkgutil.walk_packages(wscore.__path__, "wscore."):
        if "._" in module.name or module.name.endswith("__main__"):
            continue
        # Some are for libraries that are not installed, some warn that they are old names.
        with suppress(ImportError), catch_warnings():
            simplefilter("ignore", DeprecationWarning)
            found.update(filter(_is_ours, vars(import_module(module.name)).values()))
    return sorted(found, key=lambda kind: kind.__name__)


def _is_ours(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, Exception)
        and value.__module__.startswith("wscore.")
        and not value.__name__.startswith("_")
    )


def _required(kind: type[Exception]) -> int:
    """How many arguments *kind* needs; a text is one."""
    if "__init__" not in vars(kind):
        return 1
    parameters = inspect.signature(kind).parameters.values()
    return sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)


def _pickle(protocol: int, error: Exception) -> Any:
    return pickle.loads(pickle.dumps(error, protocol))


def _sample(kind: type[Exception]) -> Exception:
    if kind.__name__ == "AbortHandshake":  # of a module that warns when it is imported
        error = kind(404, [("X-A", "b")], b"body")
    else:
        error = SAMPLES[kind]() if kind in SAMPLES else kind(*["a text"] * _required(kind))
    error.__cause__ = OSError(111, "nobody there")
    return error


def _seen(error: BaseException) -> tuple[object, ...]:
    """What tells two errors apart; `vars` has their attributes."""
    return type(error), str(error), error.args, vars(error)


def _check_same(error: BaseException, again: BaseException) -> None:
    assert _seen(again) == _seen(error)
    for name in dir(type(error)):
        if isinstance(getattr(type(error), name), property):
            assert getattr(again, name) == getattr(error, name)


WAYS: dict[str, Callable[[Exception], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": partial(_pickle, protocol)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: kind.__name__)
def test_errors_survive_pickling_and_copying(kind: type[Exception], way: str) -> None:
    error = _sample(kind)
    again = WAYS[way](error)
    _check_same(error, again)
    assert issubclass(kind, errors.WebSocketError) or kind.__module__ != "wscore.errors"
    if isinstance(error, errors.WebSocketError):
        assert again.__cause__ is not None
        assert _seen(again.__cause__) == _seen(OSError(111, "nobody there"))
        assert again.__suppress_context__


def _raise(kind: type[Exception]) -> None:
    raise _sample(kind)


def test_errors_survive_a_pool_of_processes() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        futures = {kind: pool.submit(_raise, kind) for kind in _all_errors()}
        for kind, future in futures.items():
            _check_same(_sample(kind), future.exception(60) or AssertionError())


class _Particular(errors.InvalidStatus):
    """An application's own error, which its arguments do not rebuild."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(ANSWER)
        self.both = one, two


class _Unportable(Exception):
    """An error that can be pickled and not be rebuilt: a pool of processes breaks on it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_errors_of_applications_survive_too() -> None:
    error = _Particular(1, 2)
    again = pickle.loads(pickle.dumps(error))
    _check_same(error, again)
    assert (again.both, again.__cause__, again.__suppress_context__) == ((1, 2), None, False)


def test_a_cause_that_does_not_survive_leaves_its_text() -> None:
    error = errors.ConnectionClosedError(None, None)
    error.__cause__ = _Unportable(1, 2)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "no close frame received or sent (1 and 2)"
