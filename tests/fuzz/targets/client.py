"""ClientProtocol: any bytes and any calls, with and without a right handshake before them."""

from __future__ import annotations

import heads

from wscore import ClientProtocol, InvalidHandshake, Response
from wscore.handshake import accept_key

from ..choices import Choices
from ..conversation import Conversation, encoded
from ..extensions_in_use import EXTENSIONS
from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import responses, streams

__all__ = ["TOKENS"]

_SIZES = (1048576, 0, 5, 125, 300)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    flags = choices.number()
    protocol = ClientProtocol(
        "ws://user:secret@localhost/chat?a=b",
        max_size=choices.pick(_SIZES),
        max_fragments=choices.pick((4096, 2)),
        extensions=EXTENSIONS if flags & 2 else (),
        subprotocols=["chat"] if flags & 4 else (),
    )
    # The key is random: inputs are answers to the key of RFC 6455 1.3.
    protocol._key = heads.KEY
    protocol.send_request(protocol.connect())
    conversation = Conversation(protocol, masked=True)
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
    agreed = [("Sec-WebSocket-Extensions", "permessage-deflate")] if offered else []
    return heads.response(*agreed)


def seeds() -> list[bytes]:
    return [
        *(bytes((6, 0, 0)) + encoded(head) for head in responses()),
        *(
            bytes((1 | stream.deflate << 1, 0, 0)) + encoded(stream.data)
            for stream in streams()
            if not stream.masked
        ),
    ]
