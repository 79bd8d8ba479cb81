"""The opening handshake with what real peers send, sans-I/O."""

from __future__ import annotations

from typing import Any

import pytest
from support.heads import KEY

from wscore.errors import (
    InvalidOrigin,
    InvalidStatus,
)
from wscore.protocol.handshake import (
    Origins,
    accept_response,
    build_request,
    check_request,
    check_response,
    error_response,
    generate_key,
    select_subprotocol,
)
from wscore.protocol.http11 import RequestParser, ResponseParser
from wscore.protocol.uri import parse_uri

SENT = {
    "chromium": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nConnection: Upgrade\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)"
        " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"
        "Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Sec-WebSocket-Protocol: chat\r\n\r\n"
    ),
    "firefox": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUser-Agent: Mozilla/5.0 (X11; Linux"
        " x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n"
        "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        "Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n"
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Site: cross-site\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n"
    ),
    # aiohttp 3.14.5, tornado 6.6.1 and websocket-client 1.9, as read from a socket
    "aiohttp": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:44181\r\nOrigin: http://example.com\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: chat\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate\r\nUser-Agent: Python/3.11 aiohttp/3.14.5\r\n\r\n"
    ),
    "tornado": (
        "GET /chat?a=b HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-Websocket-Key: {KEY}\r\nSec-Websocket-Version: 13\r\n"
        "Sec-Websocket-Protocol: chat\r\n"
        "Sec-Websocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Host: 127.0.0.1:44181\r\nUser-Agent: Tornado/6.6.1\r\nAccept-Encoding: gzip\r\n\r\n"
    ),
    "websocket-client": (
        "GET /chat?a=b HTTP/1.1\r\nUpgrade: websocket\r\nHost: 127.0.0.1:44181\r\n"
        "Origin: http://127.0.0.1:44181\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    ),
}


def _read(parser: RequestParser | ResponseParser, data: bytes, size: int) -> Any:
    for start in range(0, len(data), size):
        result = parser.feed(data[start : start + size])
    return result


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 30])
@pytest.mark.parametrize("peer", SENT)
def test_what_peers_send_is_accepted(peer: str, size: int) -> None:
    read = _read(RequestParser(), SENT[peer].encode(), size)
    assert read.path == "/chat?a=b"
    assert check_request(read) == KEY
    subprotocol = select_subprotocol(read, ["chat"])
    answer = accept_response(read, KEY, subprotocol=subprotocol)
    assert check_response(answer, KEY, subprotocols=["chat"]) == ("chat", [])


@pytest.mark.parametrize("size", [1, 7, 1 << 30])
def test_our_two_sides_agree(size: int) -> None:
    key = generate_key()
    asked = build_request(parse_uri("wss://u:p@[::1]:9/é"), key, subprotocols=["a"])
    read = _read(RequestParser(), asked.serialize(), size)
    assert read == asked
    assert check_request(read) == key
    answered = accept_response(read, key, subprotocol="a")
    response = _read(ResponseParser(), answered.serialize(), size)
    assert response == answered
    assert check_response(response, key, subprotocols=["a"]).subprotocol == "a"


def test_the_client_of_websockets_accepts_our_response() -> None:
    client_module = pytest.importorskip("websockets.client")
    uri = pytest.importorskip("websockets.uri").parse_uri("ws://127.0.0.1:8765/chat?a=b")
    client = client_module.ClientProtocol(uri, subprotocols=["chat"], origin="http://a.example")
    client.send_request(client.connect())
    asked = _read(RequestParser(), b"".join(client.data_to_send()), 1)
    key = check_request(asked, origins=Origins(["http://a.example"]))
    client.receive_data(accept_response(asked, key, subprotocol="chat").serialize())
    assert client.handshake_exc is None
    assert client.state.name == "OPEN"
    assert client.subprotocol == "chat"


def test_the_client_of_websockets_understands_our_refusal() -> None:
    client_module = pytest.importorskip("websockets.client")
    uri = pytest.importorskip("websockets.uri").parse_uri("ws://127.0.0.1:8765/")
    client = client_module.ClientProtocol(uri)
    client.send_request(client.connect())
    client.receive_data(error_response(InvalidOrigin("a")).serialize())
    assert client.handshake_exc.response.status_code == 403
    assert client.handshake_exc.response.body == b"Forbidden\n"


def test_the_server_of_websockets_accepts_our_request() -> None:
    server = pytest.importorskip("websockets.server").ServerProtocol(subprotocols=["chat"])
    key = generate_key()
    uri = parse_uri("ws://u:p@127.0.0.1:8765/chat?a=b")
    server.receive_data(build_request(uri, key, subprotocols=["x", "chat"]).serialize())
    [asked] = server.events_received()
    server.send_response(server.accept(asked))
    assert server.handshake_exc is None
    answered = _read(ResponseParser(), b"".join(server.data_to_send()), 1)
    assert check_response(answered, key, subprotocols=["x", "chat"]).subprotocol == "chat"


def test_the_server_of_websockets_refuses_and_we_know_why() -> None:
    server = pytest.importorskip("websockets.server").ServerProtocol(origins=["https://a.example"])
    key = generate_key()
    built = build_request(parse_uri("ws://127.0.0.1:8765/"), key, origin="https://b.example")
    server.receive_data(built.serialize())
    [asked] = server.events_received()
    server.send_response(server.accept(asked))
    answered = _read(ResponseParser(), b"".join(filter(None, server.data_to_send())), 1)
    with pytest.raises(InvalidStatus) as caught:
        check_response(answered, key)
    assert caught.value.response.status_code == 403
    assert b"b.example" in caught.value.response.body


def test_both_sides_of_wsproto() -> None:
    wsproto = pytest.importorskip("wsproto")
    events = pytest.importorskip("wsproto.events")
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    sent = client.send(events.Request(host="a.example", target="/b", subprotocols=["c"]))
    asked = _read(RequestParser(), sent, 1)
    key = check_request(asked)
    client.receive_data(accept_response(asked, key, subprotocol="c").serialize())
    [accepted] = client.events()
    assert isinstance(accepted, events.AcceptConnection)
    assert accepted.subprotocol == "c"

    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    own_key = generate_key()
    server.receive_data(build_request(parse_uri("ws://a/b"), own_key).serialize())
    [opened] = server.events()
    assert opened.target == "/b"
    answered = _read(ResponseParser(), server.send(events.AcceptConnection()), 1)
    assert check_response(answered, own_key) == (None, [])
