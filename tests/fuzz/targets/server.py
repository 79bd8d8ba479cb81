"""ServerProtocol: any bytes and any calls, with and without a right handshake before them."""

from __future__ import annotations

from support import heads
from support.feeding import wire

from wscore import Headers, InvalidHandshake, Request, ServerProtocol, State
from wscore.protocol.handshake import Origins

from ..choices import Choices
from ..conversation import NUMBERED, Conversation, encoded, extensions
from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import requests, streams

__all__ = ["TOKENS"]

_SIZES = (1048576, 0, 5, 125, 300)
_RIGHT = heads.request(("Sec-WebSocket-Extensions", "permessage-deflate, x-numbered"))


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    flags, max_size = choices.number(), choices.pick(_SIZES)
    protocol = ServerProtocol(
        max_size=max_size,
        max_fragments=choices.pick((4096, 2)),
        extensions=extensions(flags),
        subprotocols=["chat"] if flags & 4 else None,
        origins=Origins(["https://example.com"]) if flags & 8 else None,
    )
    conversation = Conversation(protocol, masked=False, max_size=max_size)
    if flags & 1:
        conversation.protocol.receive_data(_RIGHT.serialize())
    while choices and not conversation.over:
        conversation.step(choices)
        for request in conversation.heads:
            _answer(protocol, request, choices)
        conversation.heads.clear()
    conversation.finish()


def _answer(protocol: ServerProtocol, request: object, choices: Choices) -> None:
    """Answer as an application does: mostly yes."""
    assert isinstance(request, Request)
    if protocol.state is not State.CONNECTING:
        return  # too late: the stream ended, or the client talked too much
    if choices.number() == 0xFF:
        protocol.send_response(protocol.reject(403, "no"))
        return
    response = protocol.accept(request, Headers({"X-Added": "yes"}))
    if response.status_code != 101:
        assert isinstance(protocol.handshake_error, InvalidHandshake)
    protocol.send_response(response)


def seeds() -> list[bytes]:
    return [
        *(bytes((14, 0, 0)) + encoded(head) for head in requests()),
        *(
            bytes((1 | flags, 0, 0)) + encoded(stream.data)
            for stream in streams()
            for flags in ({0, 2 * stream.deflate, 16})
            if stream.masked
        ),
        # A ping between the fragments of an encoded message.
        bytes((17, 0, 0)) + encoded(wire(*NUMBERED)),
    ]
