"""Which subprotocol a server chooses, and when it has to be one."""

from __future__ import annotations

from typing import Any

import pytest
from support.heads import KEY, request

from wscore import InvalidHeader, NegotiationError
from wscore.protocol.handshake import accept_response, error_response, select_subprotocol


@pytest.mark.parametrize(
    ("offered", "available", "chosen"),
    [
        (None, None, None),
        (None, ["a"], None),
        ("a, b", None, None),
        ("a, b", [], None),
        ("a, b", ["b", "a"], "b"),
        ("a, b", ["c", "a"], "a"),
        ("a, b", ["c"], None),
        ("a, b", ["A"], None),
        ("a, b", lambda names: names[1], "b"),
        ("a, b", lambda names: None, None),
        (None, lambda names: names[0], None),
    ],
)
def test_select_subprotocol(offered: str | None, available: Any, chosen: str | None) -> None:
    asked = request(("Sec-WebSocket-Protocol", offered)) if offered else request()
    assert select_subprotocol(asked, available) == chosen
    answer = accept_response(asked, KEY, subprotocol=chosen)
    assert answer.status_code == 101
    assert answer.headers.get("Sec-WebSocket-Protocol") == chosen


def test_select_subprotocol_refuses() -> None:
    with pytest.raises(InvalidHeader):
        select_subprotocol(request(("Sec-WebSocket-Protocol", "a b")), None)
    asked = request(("Sec-WebSocket-Protocol", "a"))
    with pytest.raises(ValueError, match="not offered"):
        select_subprotocol(asked, lambda names: "b")
    with pytest.raises(TypeError, match="list"):
        select_subprotocol(asked, "a")


@pytest.mark.parametrize("offered", [None, "c", "c, A"])
@pytest.mark.parametrize("available", [["a", "b"], lambda names: None])
def test_a_subprotocol_may_be_required(offered: str | None, available: Any) -> None:
    asked = request(("Sec-WebSocket-Protocol", offered)) if offered else request()
    assert select_subprotocol(asked, available) is None
    with pytest.raises(NegotiationError) as caught:
        select_subprotocol(asked, available, required=True)
    assert error_response(caught.value).status_code == 400
    for nothing in (None, []):  # nothing can be required where the server has none
        assert select_subprotocol(asked, nothing, required=True) is None
    chosen = request(("Sec-WebSocket-Protocol", "c, b, a"))
    assert select_subprotocol(chosen, ["a", "b"], required=True) == "a"


def test_a_function_overrules_and_is_asked_without_offers() -> None:
    asked: list[list[str]] = []

    def select(offered: list[str]) -> str | None:
        asked.append(offered)
        return offered[-1] if offered else None

    assert select_subprotocol(request(), ["a"], required=True, select=select) is None
    offers = request(("Sec-WebSocket-Protocol", "a, b"))
    assert select_subprotocol(offers, ["a"], select=select) == "b"
    assert asked == [[], ["a", "b"]]
    with pytest.raises(ValueError, match="not offered"):
        select_subprotocol(offers, None, select=lambda names: "c")
