"""Exceptions: what they derive from, what they say, and that they can be sent to others."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import wscore
from wscore.compat.websockets import exceptions as e

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from wscore.compat.websockets.legacy import exceptions as legacy

RESPONSE = wscore.Response(302, "Found", wscore.Headers({"Location": "/"}), b"there")
MADE = [
    (e.InvalidMethod("PUT"), "unsupported HTTP method: PUT", {"method": "PUT", "status": 405}),
    (
        e.InvalidProtocol("HTTP/2"),
        "unsupported HTTP version: HTTP/2",
        {"protocol": "HTTP/2", "status": 505},
    ),
    (
        e.InvalidHeaderFormat("Upgrade", "expected token", "a, ,", 3),
        "invalid Upgrade header: expected token at 3 in a, ,",
        {"name": "Upgrade"},
    ),
    (e.DuplicateParameter("a"), "duplicate parameter: a", {"name": "a"}),
    (e.InvalidParameterName("a"), "invalid parameter name: a", {"name": "a"}),
    (e.InvalidParameterValue("a", None), "missing value for parameter a", {"value": None}),
    (e.InvalidParameterValue("a", ""), "empty value for parameter a", {"value": ""}),
    (e.InvalidParameterValue("a", "b"), "invalid value for parameter a: b", {"value": "b"}),
    (e.TooManyFragments(7), "fragmented message exceeds limit of 7 frames", {"code": 1009}),
    (e.SecurityError("too long"), "too long", {"status": 400}),
    (e.InvalidState("no"), "no", {}),
    (
        legacy.InvalidStatusCode(404, wscore.Headers({"A": "b"})),
        "server rejected WebSocket connection: HTTP 404",
        {"status_code": 404, "headers": wscore.Headers({"A": "b"})},
    ),
    (
        legacy.AbortHandshake(403, {"A": "b"}, b"no"),
        "HTTP 403, 1 headers, 2 bytes",
        {"body": b"no"},
    ),
    (legacy.RedirectHandshake("ws://b/"), "redirect to ws://b/", {"uri": "ws://b/"}),
]


@pytest.mark.parametrize(("error", "text", "attributes"), MADE, ids=lambda x: type(x).__name__)
def test_texts_and_attributes_survive(
    error: Exception, text: str, attributes: dict[str, object]
) -> None:
    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(one) is type(error)
        assert str(one) == text
        assert {name: getattr(one, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (e.ConnectionClosedOK, [e.ConnectionClosed]),
        (e.RequestLineTooLong, [e.SecurityError, e.InvalidHandshake]),
        (e.StatusLineTooLong, [e.SecurityError]),
        (e.HeaderLineTooLong, [e.SecurityError]),
        (e.TooManyHeaders, [e.SecurityError]),
        (e.InvalidProxyMessage, [e.ProxyError]),
        (e.InvalidProxyStatus, [e.ProxyError, e.InvalidHandshake]),
        (e.InvalidHeaderFormat, [e.InvalidHeader]),
        (e.InvalidHeaderValue, [e.InvalidHeader]),
        (e.InvalidOrigin, [e.InvalidHeader]),
        (e.InvalidUpgrade, [e.InvalidHeader]),
        (e.DuplicateParameter, [e.NegotiationError, e.InvalidHandshake]),
        (e.InvalidState, [AssertionError]),
        (e.ConcurrencyError, [RuntimeError]),
        (legacy.InvalidStatusCode, [e.InvalidHandshake]),
    ],
)
def test_the_hierarchy_is_that_of_websockets(kind: type, bases: list[type]) -> None:
    for base in [*bases, e.WebSocketException]:
        assert issubclass(kind, base)


def test_all_are_there() -> None:
    for name in e.__all__:
        assert issubclass(getattr(e, name), wscore.WebSocketError)
