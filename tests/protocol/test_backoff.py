"""When a client tries again: the errors, the delays, the count."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

import wscore
from wscore import Backoff, Close, Failure
from wscore.protocol.backoff import RetryState, closed_for_good, retry_after, worth_retrying
from wscore.protocol.headers import Headers
from wscore.protocol.http11 import Response

REFUSED = ConnectionRefusedError(111, "refused")
LOST = wscore.ConnectionClosedError(None, None)


def status(code: int, *retry_after: str) -> wscore.InvalidStatus:
    headers = Headers([("Retry-After", value) for value in retry_after])
    return wscore.InvalidStatus(Response(code, "", headers))


def broken_off(cause: Exception) -> wscore.InvalidHandshake:
    error = wscore.InvalidMessage("the stream ended in the head")
    error.__cause__ = cause
    return error


def rcvd(code: int) -> wscore.ConnectionClosed:
    return wscore.ConnectionClosed(Close(code), Close(code), True)


def sent(code: int) -> wscore.ConnectionClosed:
    return wscore.ConnectionClosed(Close(code), Close(code), False)


# Which errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        REFUSED, OSError("Multiple exceptions"), TimeoutError("too long"), FileNotFoundError(),
        ssl.SSLEOFError(), ssl.SSLZeroReturnError(),
        status(500), status(502), status(503), status(504), status(408), status(429),
        broken_off(EOFError()), broken_off(ConnectionResetError()),
        LOST, *map(rcvd, [1001, 1011, 1012, 1013, 1014]), sent(1011),
    ],
    ids=repr,
)  # fmt: skip
def test_worth_another_try(error: Exception) -> None:
    assert worth_retrying(error)


@pytest.mark.parametrize(
    "error",
    [
        status(400), status(401), status(403), status(404), status(200), status(301),
        wscore.InvalidURI("x"), wscore.InvalidHeader("Upgrade"), wscore.NegotiationError("x"),
        wscore.InvalidMessage("not HTTP"), wscore.InvalidHandshake("x"),
        ssl.SSLCertVerificationError(), ssl.SSLError(), ValueError(), RuntimeError(),
        *map(rcvd, [1000, 1005, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000]),
        *map(sent, [1000, 1001, 1002, 1007, 1009, 4000]),
        wscore.ConnectionClosed(None, Close(1000)), wscore.ConnectionClosed(None, Close(1002)),
    ],
    ids=repr,
)  # fmt: skip
def test_not_worth_another_try(error: Exception) -> None:
    assert not worth_retrying(error)


@pytest.mark.parametrize(
    ("error", "good"),
    [
        (rcvd(1000), True),
        (sent(1000), True),
        (rcvd(1005), True),
        (sent(1001), True),
        (wscore.ConnectionClosed(None, Close(1000)), True),
        (wscore.ConnectionClosed(Close(1000), None), True),
        (rcvd(1001), False),
        (rcvd(1008), False),
        (sent(1011), False),
        (LOST, False),
    ],
)
def test_what_ends_well(error: wscore.ConnectionClosed, good: bool) -> None:
    assert closed_for_good(error) is good


async def _always(_: object) -> bool:
    return True


# Delays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retries", "longest"), [(0, 3), (1, 4.5), (2, 6.75), (7, 51.2578125), (8, 60), (10**6, 60)]
)
def test_the_formula(retries: int, longest: float) -> None:
    assert Backoff(jitter=0).delay(retries, LOST) == longest
    delays = [Backoff().delay(retries, LOST) for _ in range(1000)]
    assert longest / 2 <= min(delays) < longest * 0.55
    assert longest * 0.95 < max(delays) <= longest
    assert len(set(delays)) > 900


def test_full_jitter_reaches_from_nothing_on() -> None:
    delays = [Backoff(jitter=1).delay(0, LOST) for _ in range(1000)]
    assert min(delays) < 0.15
    assert max(delays) <= 3


@pytest.mark.parametrize(
    "options",
    [
        {"initial_delay": -1}, {"initial_delay": float("nan")}, {"max_delay": float("inf")},
        {"factor": 0.9}, {"jitter": 1.1}, {"jitter": -0.1}, {"max_retries": -1},
        {"reset_after": -1}, {"max_retry_after": -1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Backoff(**options)


@pytest.mark.parametrize(
    "options",
    [{name: wrong} for wrong in (True, "1", (1, 2))
     for name in ("initial_delay", "max_delay", "factor", "jitter", "max_retries", "reset_after",
                  "max_retry_after")]
    + [{"initial_delay": None}, {"factor": None}, {"max_retries": 1.0}, {"retry_first": 1},
       {"retry": None}, {"retry": True}, {"retry": _always}, {"on_failure": "log"},
       {"on_failure": _always}],
)  # fmt: skip
def test_settings_of_a_wrong_type(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(options))} must be"):
        Backoff(**options)


def test_retry_after_in_seconds() -> None:
    assert retry_after(status(503, "120")) == 120
    assert retry_after(status(429, "0")) == 0
    assert Backoff(jitter=0).delay(0, status(503, "120")) == 123, "the usual delay on top"


def test_retry_after_at_a_date() -> None:
    now = datetime.now(timezone.utc)
    later = format_datetime(now + timedelta(seconds=100), usegmt=True)
    assert 95 < retry_after(status(503, later)) <= 100
    no_zone = later.replace("GMT", "-0000")
    assert 95 < retry_after(status(503, no_zone)) <= 100
    assert retry_after(status(503, format_datetime(now - timedelta(seconds=100)))) == 0


@pytest.mark.parametrize(
    "values", [(), ("",), ("-5",), ("1.5",), ("soon",), ("²",), ("5", "6"), ("99:99:99",)]
)
def test_retry_after_that_says_nothing(values: tuple[str, ...]) -> None:
    assert retry_after(status(503, *values)) == 0
    assert retry_after(LOST) == 0


@pytest.mark.parametrize("value", ["999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_bounded(value: str) -> None:
    assert Backoff(jitter=0).delay(0, status(503, value)) == 3603
    assert Backoff(jitter=0, max_retry_after=10).delay(0, status(503, value)) == 13


# The count -----------------------------------------------------------------------------------


def connected(tries: RetryState) -> RetryState:
    tries.connections += 1
    return tries


def test_the_first_connection_is_tried_once() -> None:
    with pytest.raises(ConnectionRefusedError):
        RetryState(Backoff()).not_made(REFUSED)
    assert RetryState(Backoff(retry_first=True, jitter=0)).not_made(REFUSED) == 3


def test_it_gives_up_after_so_many_retries() -> None:
    tries = connected(RetryState(Backoff(max_retries=3, jitter=0)))
    assert tries.lost(LOST, 100) == 3
    assert [tries.not_made(REFUSED) for _ in range(2)] == [4.5, 6.75]
    with pytest.raises(wscore.ReconnectionFailed, match="gave up after 3 retries") as failed:
        tries.not_made(REFUSED)
    assert failed.value.retries == 3
    assert failed.value.__cause__ is REFUSED
    assert "refused" in str(failed.value)


def test_no_limit() -> None:
    tries = connected(RetryState(Backoff(max_retries=None, jitter=0)))
    assert [tries.not_made(REFUSED) for _ in range(1000)][-1] == 60


def test_a_connection_that_lasted_begins_a_new_count() -> None:
    tries = connected(RetryState(Backoff(jitter=0)))
    assert [tries.lost(LOST, 9.9) for _ in range(3)] == [3, 4.5, 6.75]
    assert tries.lost(LOST, 10) == 3


def test_connections_that_do_not_last_count() -> None:
    tries = connected(RetryState(Backoff(jitter=0)))
    for _ in range(10):
        tries.lost(LOST, 1)
    with pytest.raises(wscore.ReconnectionFailed):
        tries.lost(LOST, 1)


def test_what_is_not_worth_it_is_raised_as_it_is() -> None:
    tries = connected(RetryState(Backoff()))
    tries.lost(LOST, 100)
    with pytest.raises(wscore.InvalidStatus, match="401"):
        tries.not_made(status(401))


def test_the_table_can_be_replaced() -> None:
    tries = connected(
        RetryState(Backoff(retry=lambda error: isinstance(error, ValueError), jitter=0))
    )
    assert tries.not_made(ValueError()) == 3
    with pytest.raises(ConnectionRefusedError):
        tries.not_made(REFUSED)


def test_each_failure_is_told() -> None:
    told: list[Failure] = []
    tries = connected(RetryState(Backoff(max_retries=2, jitter=0, on_failure=told.append)))
    tries.lost(LOST, 100)
    tries.not_made(REFUSED)
    with pytest.raises(wscore.ReconnectionFailed):
        tries.not_made(REFUSED)
    assert told == [(LOST, 0, 3), (REFUSED, 1, 4.5), (REFUSED, 2, None)]


def test_the_first_failure_is_told_too() -> None:
    told: list[Failure] = []
    with pytest.raises(ConnectionRefusedError):
        RetryState(Backoff(on_failure=told.append)).not_made(REFUSED)
    assert told == [(REFUSED, 0, None)]
