"""When a client connects again without a `Backoff`: the rules of websockets."""

from __future__ import annotations

import ssl
from itertools import islice

import pytest

import wscore
from wscore.errors import InvalidProxy, InvalidProxyMessage
from wscore.protocol.headers import Headers
from wscore.protocol.http11 import Response
from wscore.protocol.retries import EndlessRetries, process_exception, reconnect_delays

REFUSED = ConnectionRefusedError(111, "refused")


def status(code: int) -> wscore.InvalidStatus:
    return wscore.InvalidStatus(Response(code, "", Headers()))


def broken_off(cause: Exception) -> wscore.InvalidHandshake:
    error = wscore.InvalidMessage("the stream ended in the head")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        REFUSED, TimeoutError("too long"), FileNotFoundError(), ssl.SSLCertVerificationError(),
        status(500), status(502), status(503), status(504),
        broken_off(EOFError()), broken_off(ConnectionResetError()),
    ],
    ids=repr,
)  # fmt: skip
def test_errors_that_may_pass(error: Exception) -> None:
    assert process_exception(error) is None


@pytest.mark.parametrize(
    "error",
    [
        status(400), status(401), status(404), status(408), status(429), status(501), status(200),
        wscore.InvalidURI("x"), InvalidProxy("x"), InvalidProxyMessage("x"),
        wscore.InvalidMessage("not HTTP"), wscore.NegotiationError("x"), ValueError(), EOFError(),
    ],
    ids=repr,
)  # fmt: skip
def test_errors_that_are_fatal(error: Exception) -> None:
    assert process_exception(error) is error


def test_delays() -> None:
    for _ in range(20):
        first, *others = islice(reconnect_delays(), 12)
        assert 0 <= first <= 5
        assert others[:3] == pytest.approx([3.1, 3.1 * 1.618, 3.1 * 1.618**2])
        assert others == sorted(others)
        assert others[-3:] == [90.0] * 3
    assert len({next(iter(reconnect_delays())) for _ in range(20)}) > 1


def test_what_the_function_says_goes() -> None:
    told = []

    def process(error: Exception) -> Exception | None:
        told.append(error)
        if len(told) == 1:
            return None
        if len(told) == 2:
            return LookupError("another")
        raise KeyError("raised")

    rules = EndlessRetries(process, lambda: [7.0])
    assert rules.not_made(REFUSED) == 7
    with pytest.raises(LookupError) as caught:
        rules.not_made(REFUSED)
    assert caught.value.__cause__ is REFUSED
    with pytest.raises(KeyError) as raised:
        rules.not_made(REFUSED)
    assert raised.value.__cause__ is REFUSED
    assert told == [REFUSED] * 3


def test_a_fatal_error_is_raised_as_it_is() -> None:
    for rules in (EndlessRetries(), EndlessRetries(lambda error: error)):
        error = status(401)
        with pytest.raises(wscore.InvalidStatus) as caught:
            rules.not_made(error)
        assert caught.value is error
        assert error.__cause__ is None


def test_a_connection_starts_the_delays_anew() -> None:
    rules = EndlessRetries(make_delays=lambda: iter([1, 2, 3]))
    assert [rules.not_made(REFUSED) for _ in range(2)] == [1, 2]
    assert rules.retries == 2
    for code in (1000, 1001, 1006, 1008, 4000):
        close = wscore.Close(code)
        assert rules.ended(wscore.ConnectionClosed(close, close, True), 0.0) == 0
        assert rules.retries == 0
        assert rules.not_made(REFUSED) == 1


def test_delays_may_end() -> None:
    rules = EndlessRetries(make_delays=lambda: (delay for delay in (1, 2)))
    assert [rules.not_made(REFUSED) for _ in range(2)] == [1, 2]
    with pytest.raises(wscore.ReconnectionFailed, match="after 2 retries") as caught:
        rules.not_made(REFUSED)
    assert caught.value.__cause__ is REFUSED


@pytest.mark.parametrize("delay", [-1.0, float("inf"), float("nan")])
def test_a_delay_has_an_end(delay: float) -> None:
    retries = EndlessRetries(make_delays=lambda: iter([0.5, delay]))
    assert retries.not_made(OSError()) == 0.5
    with pytest.raises(ValueError, match="reconnect_delays must give seconds"):
        retries.not_made(OSError())
