"""Both roles with an extension, without I/O: negotiated, encoded, decoded, refused."""

from __future__ import annotations

from typing import Any

import pytest
from support.feeding import wire
from support.numbered import Numbered, NumberedCodec
from support.oracles import WireFrame
from support.pair import SIZES, Pair

from wscore import ClientProtocol, NegotiationError, ServerProtocol, State
from wscore.protocol.extensions import Extension

TEXT, BINARY = 1, 2
sizes = pytest.mark.parametrize("size", SIZES)


class Named(Extension):
    """Agrees to anything under a name, and does nothing to messages."""

    def __init__(self, name: str, answer: list[tuple[str, str | None]] | None = None) -> None:
        self.name = name
        self.answer = answer or []

    def offers(self) -> list[list[tuple[str, str | None]]]:
        return [[("a", "1")], [("b", None)]]

    def accept(self, offer: Any) -> Any:
        return None if offer == [("a", "1")] else (offer, None)

    def confirm(self, answer: Any) -> None:
        if answer != [("b", None)]:
            raise NegotiationError("not what was offered")


def opened(size: int = SIZES[-1], client: Any = (), server: Any = ()) -> Pair:
    pair = Pair(
        ClientProtocol("ws://a/", extensions=client, max_size=1000),
        ServerProtocol(extensions=server, max_size=1000),
        size=size,
    )
    pair.open()
    return pair


def states(pair: Pair) -> list[Any]:
    return [side.protocol.state for side in (pair.client, pair.server)]


@sizes
def test_messages_of_both_directions_are_encoded(size: int) -> None:
    pair = opened(size, [Numbered(threshold=3)], [Numbered()])
    assert states(pair) == [State.OPEN, State.OPEN]
    client, server = pair.client.protocol, pair.server.protocol
    assert client.extensions == server.extensions == [("x-numbered", [])]
    client.send("ab")
    client.send("abß")
    client.send(b"abc", compress=False)
    server.send("")
    server.send("plain", compress=False)
    pair.pump()
    assert [frame.rsv for frame in pair.client.frames()] == [0, 4, 0]
    assert [frame.rsv for frame in pair.server.frames()] == [4, 0]
    assert pair.server.events[-3:] == ["ab", "abß", b"abc"]
    assert pair.client.events[-2:] == ["", "plain"]


@sizes
def test_fragments_are_encoded_with_control_frames_between(size: int) -> None:
    pair = opened(size, [Numbered()], [Numbered()])
    client = pair.client.protocol
    client.send("ab", fin=False)
    client.ping(b"now")
    client.send_continuation("ß", fin=False)
    client.send_continuation(b"", fin=True)
    client.send(b"plain", fin=False, compress=False)
    client.send_continuation(b"!", fin=True)
    pair.pump()
    assert [event for event in pair.server.events if isinstance(event, (str, bytes))] == [
        "abß", b"plain!",
    ]  # fmt: skip


def test_a_message_begun_while_another_one_is_encoded_is_not_encoded() -> None:
    """By a signal handler: the codec may refer to the other one, which the peer does not get."""
    pair = opened(SIZES[-1], [Numbered()], [Numbered()])
    client = pair.client.protocol
    codec = client.writer.codec
    encode = codec.encode

    def begin_another(payload: bytes, fin: bool = True) -> Any:
        codec.encode = encode
        client.send(b"a", fin=False)
        return encode(payload, fin)

    codec.encode = begin_another
    with pytest.raises(RuntimeError, match="a fragmented message is being sent"):
        client.send(b"refused")
    client.send_continuation(b"b", fin=True)
    client.send(b"next")
    pair.pump()
    assert [event for event in pair.server.events if isinstance(event, bytes)] == [b"ab", b"next"]


@sizes
def test_what_cannot_be_decoded_fails_the_connection(size: int) -> None:
    pair = opened(size, [Numbered()], [Numbered()])
    codec = NumberedCodec()
    good, bad = codec.encode(b"good"), codec.encode(b"bad")[:3]
    pair.deliver(frames(good, bad, codec.encode(b"late")), pair.server)
    pair.pump()
    assert [event for event in pair.server.events if isinstance(event, bytes)] == [b"good"]
    assert pair.client.protocol.close_rcvd.code == 1007


@sizes
def test_the_decoded_size_is_bounded(size: int) -> None:
    pair = opened(size, [Numbered()], [Numbered(swell=10)])
    codec = NumberedCodec()
    pair.deliver(frames(codec.encode(b"x" * 100)), pair.server)
    assert pair.server.events[-1] == b"x" * 1000
    pair.deliver(frames(codec.encode(b"x" * 101)), pair.server)
    pair.pump()
    assert pair.client.protocol.close_rcvd.code == 1009


def frames(*payloads: bytes) -> bytes:
    return wire(*[WireFrame(BINARY, payload, rsv=4) for payload in payloads])


def test_a_marked_message_without_an_extension_is_a_violation() -> None:
    pair = opened()
    pair.deliver(frames(b"x"), pair.server)
    pair.pump()
    assert pair.client.protocol.close_rcvd.code == 1002


# Negotiation -----------------------------------------------------------------------------------


def test_offers_are_tried_in_order_and_each_extension_once() -> None:
    pair = opened(client=[Named("x"), Named("y")], server=[Named("y"), Named("x")])
    expected = [("x", [("b", None)]), ("y", [("b", None)])]
    assert pair.client.protocol.extensions == pair.server.protocol.extensions == expected


def test_only_one_extension_may_encode() -> None:
    other = Numbered()
    other.name = "x-other"
    pair = opened(client=[other, Numbered()], server=[Numbered(), other])
    assert pair.server.protocol.extensions == [("x-other", [])]


@pytest.mark.parametrize(
    "header",
    ["x; a=2", "x; b, x; b", "y", "x-numbered, x-other"],
    ids=["not legal", "twice", "not offered", "two that encode"],
)
def test_a_wrong_answer_fails_the_handshake(header: str) -> None:
    other = Numbered()
    other.name = "x-other"
    client = ClientProtocol("ws://a/", extensions=[Named("x"), Numbered(), other])
    request = client.connect()
    client.send_request(request)
    answer = ServerProtocol().accept(request)
    answer.headers["Sec-WebSocket-Extensions"] = header
    client.receive_data(answer.serialize())
    assert isinstance(client.handshake_error, NegotiationError)
    assert client.state is State.CLOSING


def test_a_malformed_offer_is_answered_with_400() -> None:
    server = ServerProtocol(extensions=[Numbered()])
    client = ClientProtocol("ws://a/")
    request = client.connect()
    request.headers["Sec-WebSocket-Extensions"] = "x-numbered; ="
    assert server.accept(request).status_code == 400


def test_a_response_without_the_header_agrees_on_nothing() -> None:
    server = ServerProtocol(extensions=[Numbered()])
    request = ClientProtocol("ws://a/", extensions=[Numbered()]).connect()
    answer = server.accept(request)
    del answer.headers["Sec-WebSocket-Extensions"]
    server.receive_data(request.serialize())
    server.send_response(answer)
    assert server.state is State.OPEN
    assert server.decoder is None
