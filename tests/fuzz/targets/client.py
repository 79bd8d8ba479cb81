"""ClientProtocol: any bytes and any calls, with and without a right handshake before them."""

from __future__ import annotations

from support import heads
from support.feeding import wire

from wscore import ClientProtocol, InvalidHandshake, Response
from wscore.protocol.handshake import accept_key

from ..choices import Choices
from ..conversation import NUMBERED, Conversation, encoded, extensions
from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import responses, streams

__all__ = ["TOKENS"]

_SIZES = (1048576, 0, 5, 125, 300)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    flags, max_size = choices.number(), choices.pick(_SIZES)
    protocol = ClientProtocol(
        "ws://user:secret@localhost/chat?a=b",
        max_size=max_size,
        max_fragments=choices.pick((4096, 2)),
        extensions=extensions(flags),
        subprotocols=["chat"] if flags & 4 else (),
    )
    # The key is random: inputs are answers to the key of RFC 6455 1.3.
    protocol._key = heads.KEY
    protocol.send_request(protocol.connect())
    conversation = Conversation(protocol, masked=True, max_size=max_size)
    if flags & 1:
        protocol.receive_data(_right(protocol).serialize())
    while choices and not conversation.over:
        conversation.step(choices)
        for response in conversation.heads:
            assert isinstance(response, Response)
            assert response.headers["Sec-WebSocket-Accept"] == accept_key(heads.KEY)
            assert protocol.handshake_error is None
        conversation.heads.clear()
    conversation.finish()
    if protocol.handshake_error is not None:
        assert isinstance(protocol.handshake_error, InvalidHandshake)


def _right(protocol: ClientProtocol) -> Response:
    """The answer that agrees to the first extension that is offered, if one is."""
    assert protocol.request is not None
    offered = protocol.request.headers.get_all("Sec-WebSocket-Extensions")
    agreed = (
        [("Sec-WebSocket-Extensions", offered[0].split(",")[0].split(";")[0])] if offered else []
    )
    return heads.response(*agreed)


def seeds() -> list[bytes]:
    return [
        *(bytes((6, 0, 0)) + encoded(head) for head in responses()),
        *(
            bytes((1 | flags, 0, 0)) + encoded(stream.data)
            for stream in streams()
            for flags in ({0, 2 * stream.deflate, 16})
            if not stream.masked
        ),
        # A ping between the fragments of an encoded message.
        bytes((17, 0, 0)) + encoded(wire(*NUMBERED, masked=False)),
    ]
