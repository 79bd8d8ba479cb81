"""Line ends and NULs that reach our own functions from whoever talks to the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.heads import request

from wscore import ClientProtocol, Headers, ServerProtocol
from wscore.protocol.handshake import accept_response, reject_response
from wscore.protocol.http11 import Request, Response

EVIL = {
    "CRLF": "a\r\nX-Evil: b",
    "LF": "a\nX-Evil: b",
    "CR": "a\rX-Evil: b",
    "NUL": "a\0b",
    "a folded line": "a\r\n b",
    "the end of the head": "a\r\n\r\nGET / HTTP/1.1",
    "beyond ISO-8859-1": "a\u010a\u010d",  # LF and CR to whoever cuts the high bits off
}


def client(**options: Any) -> bytes:
    return ClientProtocol("ws://localhost/", **options).connect().serialize()


DOORS: dict[str, Callable[[str], Any]] = {
    "value of a header of the client": lambda evil: client(headers={"X": evil}),
    "name of a header of the client": lambda evil: client(headers={evil: "x"}),
    "subprotocol of the client": lambda evil: client(subprotocols=[evil]),
    "origin of the client": lambda evil: client(origin=evil),
    "user agent of the client": lambda evil: client(user_agent=evil),
    "path of a URI": lambda evil: ClientProtocol(f"ws://localhost/{evil}").connect().serialize(),
    "query of a URI": lambda evil: ClientProtocol(f"ws://localhost/?{evil}").connect().serialize(),
    "host of a URI": lambda evil: ClientProtocol(f"ws://local{evil}/").connect().serialize(),
    "user of a URI": lambda evil: ClientProtocol(f"ws://{evil}:b@localhost/").connect().serialize(),
    "header of an acceptance": lambda evil: accept_response(request(), "k", headers={"X": evil}),
    "header of a refusal": lambda evil: reject_response(403, "", {"X": evil}),
    "subprotocol that a function invents": lambda evil: ServerProtocol(
        subprotocols=lambda offered: evil
    ).accept(request(("Sec-WebSocket-Protocol", "chat"))),
    "path of a request": lambda evil: Request(f"/{evil}", Headers()).serialize(),
    "method of a request": lambda evil: Request("/", Headers(), evil).serialize(),
    "reason of a response": lambda evil: Response(200, evil, Headers()).serialize(),
}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("door", DOORS)
def test_refused_or_harmless(door: str, evil: str) -> None:
    """Refused as a value; a URI may be encoded instead, which leaves nothing of it."""
    try:
        made = DOORS[door](EVIL[evil])
    except ValueError:  # InvalidURI is one, too
        return
    assert door.endswith("URI")
    line, _, rest = made.partition(b"\r\n")
    assert b"X-Evil: b" not in rest
    assert line.count(b" ") == 2
    assert not {b"\r", b"\n", b"\0"} & {line[i : i + 1] for i in range(len(line))}
