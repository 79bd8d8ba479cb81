"""Publications as JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from wscore import Hub, Publication, Room
from wscore.hub import Position, envelope
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

POSITION = Position("epoch", 7)


@pytest.mark.parametrize(
    ("publication", "expected"),
    [
        (
            Publication("a", 'é "\u2028"', POSITION, "node", "ann"),
            {"position": ["epoch", 7], "sender": "ann", "kind": "message", "data": 'é "\u2028"'},
        ),
        (
            Publication("a", b"\x00\xff", None, "node"),
            {"position": None, "sender": None, "kind": "message", "base64": "AP8="},
        ),
        (
            Publication("a", "", None, "node", None, "join", {"name": "ann"}, "id"),
            {"position": None, "sender": None, "kind": "join", "id": "id", "info": {"name": "ann"}},
        ),
        (
            Publication("a", "", None, "node", None, "leave", None, "id"),
            {"position": None, "sender": None, "kind": "leave", "id": "id", "info": None},
        ),
    ],
)
def test_what_is_in_it(publication: Publication, expected: dict[str, Any]) -> None:
    assert json.loads(envelope(publication)) == {"room": "a", **expected}


def test_it_encodes_for_a_hub(run: Run) -> None:
    async def main() -> None:
        hub = Hub(encode=envelope, rooms={"": Room(history=1)})
        async with pair() as (client, ws):
            hub.join(ws, "a")
            hub.publish("a", b"binary", sender="ann")
            message = json.loads(await receive(client, decode=True))
            assert base64.b64decode(message["base64"]) == b"binary"
            [epoch, offset] = message["position"]
            hub.leave(ws, "a")
            resumed = await hub.resume(ws, "a", since=Position(epoch, offset))
            assert (resumed.missed, resumed.gap) == ((), None)

    run(main())
