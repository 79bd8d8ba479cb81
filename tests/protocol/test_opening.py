"""The opening handshake of both roles as a pair, in every split, and against bad peers."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from support.feeding import wire
from support.oracles import WireFrame, encode
from support.pair import SIZES, Pair, Side

from wscore import (
    ClientProtocol,
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
    Response,
    ServerProtocol,
    State,
)
from wscore.protocol.connection import SEND_EOF
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.handshake import Origins
from wscore.protocol.server import HandshakeOptions
from wscore.protocol.uri import parse_uri

sizes = pytest.mark.parametrize("size", SIZES)


def test_a_key_of_ones_own() -> None:
    client = ClientProtocol("ws://h/", key="dGhlIHNhbXBsZSBub25jZQ==")
    request = client.connect()
    assert request.headers["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ=="
    client.send_request(request)
    answer = ServerProtocol().accept(request)
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    client.receive_data(answer.serialize())
    assert client.state is State.OPEN


@sizes
def test_a_handshake(size: int) -> None:
    pair = Pair(
        ClientProtocol("ws://a.example/b?c", subprotocols=["x", "y"], headers={"X-A": "1"}),
        ServerProtocol(subprotocols=["y", "z"]),
        size=size,
    )
    request = pair.ask()
    assert (request.path, request.headers["X-A"]) == ("/b?c", "1")
    server, client = pair.server.protocol, pair.client.protocol
    assert server.state is client.state is State.CONNECTING
    server.send_response(server.accept(request, {"X-B": "2"}))
    assert server.state is State.OPEN
    pair.pump()
    [response] = pair.client.events
    assert isinstance(response, Response)
    assert (response.status_code, response.headers["X-B"]) == (101, "2")
    assert client.state is State.OPEN
    assert client.subprotocol == server.subprotocol == "y"
    assert server.request == client.request == request
    assert server.response == client.response == response
    assert server.handshake_error is client.handshake_error is None


@sizes
def test_frames_may_follow_the_handshake_at_once(size: int) -> None:
    pair = Pair(size=size)
    request = pair.ask()
    server = pair.server.protocol
    pair.deliver(wire(WireFrame(1, b"early")), pair.server)
    assert not pair.server.events, "before the answer nothing is delivered"
    server.send_response(server.accept(request))
    server.send("hello")
    pair.pump()
    assert pair.server.events == ["early"]
    assert pair.client.events[1:] == ["hello"]


def test_early_frames_are_bounded() -> None:
    pair = Pair()
    pair.ask()
    pair.deliver(bytes(65536), pair.server)
    assert pair.server.protocol.state is State.CONNECTING
    pair.deliver(b"\0", pair.server)
    pair.pump()
    assert isinstance(pair.server.protocol.handshake_error, InvalidMessage)
    assert pair.client.protocol.handshake_error.status == 400


def test_the_request_and_its_path_come_from_a_parsed_uri_too() -> None:
    uri = parse_uri("wss://a.example:444/b")
    client = ClientProtocol(uri)
    assert client.uri is uri
    assert client.connect().headers["Host"] == "a.example:444"


@pytest.mark.parametrize("uri", ["http://a/", "ws:///", "ws://a/#b"])
def test_a_wrong_uri(uri: str) -> None:
    with pytest.raises(InvalidURI):
        ClientProtocol(uri)


# Refusals --------------------------------------------------------------------------------------


@sizes
def test_a_refusal_reaches_the_client_with_its_body(size: int) -> None:
    pair = Pair(size=size)
    pair.ask()
    server, client = pair.server.protocol, pair.client.protocol
    server.send_response(server.reject(403, "no\n", {"X-Why": "because"}))
    assert server.state is State.CLOSING
    assert server.close_expected()
    pair.pump()
    assert pair.server.ended
    error = client.handshake_error
    assert isinstance(error, InvalidStatus)
    assert (error.status, error.response.body) == (403, b"no\n")
    assert error.response.headers["X-Why"] == "because"
    assert client.response is error.response
    assert client.state is State.CLOSING
    assert not pair.client.events
    pair.end()
    assert server.state is client.state is State.CLOSED


def test_an_origin_that_is_not_served() -> None:
    pair = Pair(
        ClientProtocol("ws://a/", origin="https://b.example"),
        ServerProtocol(origins=Origins(["https://a.example"])),
    )
    server = pair.server.protocol
    server.send_response(server.accept(pair.ask()))
    pair.pump()
    assert isinstance(server.handshake_error, InvalidOrigin)
    assert pair.client.protocol.handshake_error.status == 403


@sizes
@pytest.mark.parametrize(
    ("head", "status"),
    [(b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: a\n\n", 400),
     (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414)],
)  # fmt: skip
def test_what_is_no_http_is_answered_and_reported(head: bytes, status: int, size: int) -> None:
    pair = Pair(size=size)
    pair.deliver(head, pair.server)
    server = pair.server.protocol
    assert isinstance(server.handshake_error, InvalidMessage)
    assert server.state is State.CLOSING
    first, last = server.data_to_send()
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert last == SEND_EOF
    assert not server.events()
    server.receive_data(b"GET / HTTP/1.1\r\n\r\n")
    assert not server.events(), "what follows is not looked at"


def test_a_request_that_is_refused_by_its_headers_is_the_callers_to_answer() -> None:
    server = ServerProtocol()
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    [request] = server.events()
    response = server.accept(request)
    assert response.status_code == 426
    assert server.state is State.CONNECTING
    assert server.handshake_error is not None
    server.send_response(response)
    assert server.state is State.CLOSING


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ServerProtocol, {"origins": "https://a.example"}),
        (ServerProtocol, {"origins": [1]}),
        (ServerProtocol, {"subprotocols": "chat"}),
        (ServerProtocol, {"subprotocols": b"chat"}),
        (ServerProtocol, {"extensions": "permessage-deflate"}),
        (ServerProtocol, {"extensions": PerMessageDeflate()}),
        (ServerProtocol, {"extensions": ["permessage-deflate"]}),
        (ServerProtocol, {"require_subprotocol": 1}),
        (HandshakeOptions, {"origins": ["https://a.example"]}),
        (HandshakeOptions, {"add_headers": {"Server": "a"}}),
        (HandshakeOptions, {"max_line_size": "8192"}),
        (partial(ClientProtocol, "ws://a/"), {"subprotocols": "chat"}),
        (partial(ClientProtocol, "ws://a/"), {"subprotocols": b"chat"}),
        (partial(ClientProtocol, "ws://a/"), {"extensions": "permessage-deflate"}),
        (partial(ClientProtocol, "ws://a/"), {"require_subprotocol": 1}),
    ],
)
def test_a_str_is_no_list(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(options))):
        kind(**options)


def test_none_is_an_empty_list() -> None:
    pair = Pair(
        ClientProtocol("ws://a/", subprotocols=None, headers=None, extensions=None),
        ServerProtocol(subprotocols=None, extensions=None, origins=None),
    ).open()
    assert pair.server.protocol.state is pair.client.protocol.state is State.OPEN


def test_a_server_may_require_a_subprotocol() -> None:
    for offered, status in (([], 400), (["b"], 400), (["b", "a"], 101)):
        pair = Pair(
            ClientProtocol("ws://a/", subprotocols=offered),
            ServerProtocol(subprotocols=["a"], require_subprotocol=True),
        )
        server = pair.server.protocol
        assert server.accept(pair.ask()).status_code == status
        assert isinstance(server.handshake_error, NegotiationError) is (status == 400)


@sizes
def test_a_client_may_require_a_subprotocol(size: int) -> None:
    for spoken, chosen in (([], None), (["c"], None), (["b"], "b")):
        pair = Pair(
            ClientProtocol("ws://a/", subprotocols=["a", "b"], require_subprotocol=True),
            ServerProtocol(subprotocols=spoken),
            size=size,
        )
        client, server = pair.client.protocol, pair.server.protocol
        server.send_response(server.accept(pair.ask()))
        pair.pump()
        assert client.subprotocol == chosen
        assert (client.state is State.OPEN) is (chosen is not None)
        assert isinstance(client.handshake_error, NegotiationError) is (chosen is None)


def test_what_is_required_has_to_be_offered() -> None:
    for offered in ((), [], None):
        with pytest.raises(ValueError, match="require_subprotocol"):
            ClientProtocol("ws://a/", subprotocols=offered, require_subprotocol=True)


def test_options_may_be_shared() -> None:
    shared = HandshakeOptions(
        origins=Origins([re.compile("https://.*")]),
        subprotocols=["a"],
        add_headers=lambda headers: headers.update({"Server": "mine"}),
    )
    for _ in range(2):
        pair = Pair(
            ClientProtocol("ws://a/", origin="https://b.example", subprotocols=["a"]),
            ServerProtocol(handshake=shared),
        ).open()
        for side in (pair.server.protocol, pair.client.protocol):
            assert side.response.headers["Server"] == "mine"
            assert side.subprotocol == "a"


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense\r\n"])
def test_every_answer_has_the_headers_of_the_server(head: bytes) -> None:
    shared = HandshakeOptions(add_headers=lambda headers: headers.update({"Server": "mine"}))
    server = ServerProtocol(handshake=shared)
    server.receive_data(head)
    for request in server.events():
        server.send_response(server.accept(request))
    assert server.data_to_send()[0].count(b"Server: mine\r\n") == 1


HEADS = [
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\n" + b"a: b\r\n" * 129,
    b"HEAD / HTTP/3.0\r\n",
]


@sizes
@pytest.mark.parametrize("head", HEADS)
def test_the_answer_to_head_has_no_content(head: bytes, size: int) -> None:
    for method, has_content in ((b"HEAD", False), (b"GET", True)):
        pair = Pair(size=size)
        pair.deliver(head.replace(b"HEAD", method, 1), pair.server)
        server = pair.server.protocol
        for request in pair.server.events:
            server.send_response(server.reject(404, "Not Found\n"))
            assert request.method == method.decode()
        fields, _, body = server.data_to_send()[0].partition(b"\r\n\r\n")
        assert b"Content-Length: " in fields  # that of the answer to GET
        assert b"Content-Length: 0" not in fields
        assert bool(body) is has_content


def test_a_raised_limit_is_that_of_the_heads_that_are_kept_too() -> None:
    cookie = "a=" + "b" * 100_000
    limits = {"max_line_size": 200_000, "max_head_size": 300_000}
    pair = Pair(
        ClientProtocol("ws://a/", headers={"Cookie": cookie}, **limits),
        ServerProtocol(handshake=HandshakeOptions(**limits)),
    )
    server = pair.server.protocol
    server.send_response(server.accept(pair.ask(), {"X-Cookie": cookie}))
    pair.pump()
    for side in (server, pair.client.protocol):
        assert side.state is State.OPEN
        assert side.request.headers["Cookie"] == side.response.headers["X-Cookie"] == cookie


# Answers that a client refuses -------------------------------------------------------------------


def _asking(**options: Any) -> tuple[ClientProtocol, bytes]:
    """A client that has asked, and the right answer to it."""
    pair = Pair(ClientProtocol("ws://a/", **options))
    server = pair.server.protocol
    return pair.client.protocol, server.accept(pair.ask()).serialize()


@sizes
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda good: good.replace(b"Accept: ", b"Accept: A"), InvalidHeader),
        (lambda good: good.replace(b"Upgrade: websocket\r\n", b""), InvalidHandshake),
        (lambda good: good[:-2] + b"Sec-WebSocket-Protocol: x\r\n\r\n", NegotiationError),
        (lambda good: good[:-2] + b"Sec-WebSocket-Extensions: x\r\n\r\n", NegotiationError),
        (lambda good: good.replace(b" 101 ", b" 10x "), InvalidMessage),
        (lambda good: good[:-2] + b"X-A: a\r\n" * 200, InvalidMessage),
    ],
)
def test_a_wrong_answer(change: Any, error: type[Exception], size: int) -> None:
    client, good = _asking()
    side, data = Side(client), change(good)
    Pair(client, size=size).deliver(data + b"\x81\x01a", side)
    assert type(client.handshake_error) is error or isinstance(client.handshake_error, error)
    assert client.state is State.CLOSING
    assert client.close_expected()
    assert not side.events
    assert client.data_to_send() == [SEND_EOF], "nothing but the end is sent"
    client.receive_eof()
    assert client.state is State.CLOSED


@pytest.mark.parametrize("received", [0, 1, 20, -1])
def test_a_stream_that_ends_before_the_answer_is_whole(received: int) -> None:
    client, good = _asking()
    client.receive_data(good[:received])
    cause = OSError("gone")
    client.receive_eof(cause)
    assert isinstance(client.handshake_error, InvalidHandshake)
    assert client.handshake_error.__cause__ is cause
    assert client.state is State.CLOSED
    assert not client.events()


def test_a_stream_that_ends_before_the_request_is_whole() -> None:
    server = ServerProtocol()
    server.receive_data(b"GET / HTTP/1.1\r\n")
    server.receive_eof()
    assert server.state is State.CLOSED
    assert server.data_to_send() == []


@sizes
def test_the_first_frames_of_a_server_may_come_with_its_answer(size: int) -> None:
    client, good = _asking()
    side = Side(client)
    frames = encode(WireFrame(1, b"a")) + encode(WireFrame(2, b"b"))
    Pair(client, size=size).deliver(good + frames, side)
    assert side.events[1:] == ["a", b"b"]
