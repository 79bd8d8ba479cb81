"""Cases against the protocol without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from wscore import ClientProtocol, Request, ServerProtocol, State
from wscore.protocol.connection import SEND_EOF
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.handshake import Origins, accept_key

from .seen import Seen, read
from .vocabulary import Case, Role, farewell, probe

__all__ = ["ORIGINS", "SUBPROTOCOLS", "attack", "filled"]

# What endpoints under attack serve and offer.
ORIGINS = ("https://good.example",)
SUBPROTOCOLS = ("chat", "superchat")

Cut = Callable[[bytes], Iterator[bytes]]


def attack(case: Case, cut: Cut) -> Seen:
    """Feed *case* to a protocol that echoes, cut by *cut*; return what came of it."""
    if case.role is Role.SERVER:
        endpoint = _Endpoint(_server(case.guarded))
    else:
        endpoint = _Endpoint(_client())
        case = filled(case, _key(endpoint.protocol))
    for part in (case.opening, case.data):
        for piece in cut(part):
            endpoint.feed(piece)
    if case.goes_on:
        endpoint.feed(probe(case.role))
        endpoint.feed(farewell(case.role))
    if case.eof:
        endpoint.protocol.receive_eof()
        endpoint.collect()
    return endpoint.seen(case.role)


def filled(case: Case, key: str) -> Case:
    """*case* with the Accept that answers *key*."""
    accept = accept_key(key).encode()
    return replace(
        case,
        opening=case.opening.replace(b"<accept>", accept),
        data=case.data.replace(b"<accept>", accept),
    )


def _server(guarded: bool) -> ServerProtocol:
    origins = Origins(ORIGINS) if guarded else None
    return ServerProtocol(
        origins=origins, subprotocols=SUBPROTOCOLS, extensions=[PerMessageDeflate()]
    )


def _client() -> ClientProtocol:
    return ClientProtocol(
        "ws://localhost/", subprotocols=SUBPROTOCOLS, extensions=[PerMessageDeflate()]
    )


def _key(protocol: ClientProtocol) -> str:
    request = protocol.connect()
    protocol.send_request(request)
    protocol.data_to_send()
    return request.headers["Sec-WebSocket-Key"]


class _Endpoint:
    """A protocol that shakes hands and echoes, and what it has sent."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.sent = b""
        self.delivered: list[str | bytes] = []
        self.ended = False
        self.opened = False

    def feed(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        self.collect()

    def collect(self) -> None:
        while events := self.protocol.events():
            for event in events:
                if isinstance(event, Request):
                    self.protocol.send_response(self.protocol.accept(event))
                elif isinstance(event, (str, bytes)):
                    self.delivered.append(event)
                    if self.protocol.state is State.OPEN:
                        self.protocol.send(event)
        output = self.protocol.data_to_send()
        self.sent += b"".join(output)
        self.opened = self.opened or self.protocol.state is State.OPEN or self._closed_at_once()
        self.ended = self.ended or output[-1:] == [SEND_EOF] or self.protocol.close_expected()

    def _closed_at_once(self) -> bool:
        return self.protocol.close_sent is not None

    def seen(self, role: Role) -> Seen:
        seen = read(role, self.sent)
        seen.opened = self.opened
        seen.messages = self.delivered  # also those that came too late for an echo
        seen.ended = self.ended or self.protocol.state is State.CLOSED
        return seen
