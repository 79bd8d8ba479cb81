"""The tree of errors, and what a closed connection tells."""

from __future__ import annotations

import pickle

import pytest

from wscore import errors
from wscore.frames import Close

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


def test_a_closed_connection_survives_pickling() -> None:
    closed = errors.ConnectionClosedOK(BYE, GONE, True)
    again = pickle.loads(pickle.dumps(closed))
    assert (again.rcvd, again.sent, again.rcvd_then_sent) == (BYE, GONE, True)
