"""The server's protocol without I/O, against wscore's client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from support.heads import ACCEPT, KEY

import wscore
from wscore import InvalidHeader, InvalidMessage, InvalidOrigin, InvalidUpgrade, NegotiationError
from wscore.compat.websockets.exceptions import (
    HeaderLineTooLong,
    InvalidMethod,
    InvalidProtocol,
    RequestLineTooLong,
)
from wscore.compat.websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from wscore.compat.websockets.frames import TEXT, Frame
from wscore.compat.websockets.http11 import Request, Response
from wscore.compat.websockets.protocol import CLOSED, CONNECTING, OPEN, SEND_EOF
from wscore.compat.websockets.server import ServerConnection, ServerProtocol
from wscore.deflate import PerMessageDeflate as Deflate


def request(*changes: tuple[str, str], without: str = "", method: str = "GET") -> Request:
    headers = wscore.Headers(
        {
            "Host": "example.com",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        }
    )
    if without:
        del headers[without]
    headers.update(changes)
    return Request("/", headers, method)


def test_a_handshake_with_the_engine() -> None:
    server = ServerProtocol(
        origins=["https://example.com"],  # type: ignore[list-item]
        extensions=[ServerPerMessageDeflateFactory(server_max_window_bits=12)],
        subprotocols=["superchat", "chat"],  # type: ignore[list-item]
    )
    client = wscore.ClientProtocol(
        "ws://h/", origin="https://example.com", subprotocols=["chat"], extensions=[Deflate()]
    )
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    [asked] = server.events_received()
    assert isinstance(asked, Request)
    assert server.state is CONNECTING
    response = server.accept(asked)
    response.headers["X-Mine"] = "yes"
    server.send_response(response)
    client.receive_data(b"".join(server.data_to_send()))
    [answered] = client.events()
    assert isinstance(answered, wscore.Response)
    assert answered.headers["X-Mine"] == "yes"
    assert answered.headers["Date"].endswith("GMT")
    assert client.subprotocol == server.subprotocol == "chat"
    assert server.origin == "https://example.com"
    [extension] = server.extensions
    assert isinstance(extension, PerMessageDeflate)
    client.send("text" * 1000)
    server.receive_data(b"".join(client.data_to_send()))
    assert server.events_received() == [Frame(TEXT, b"text" * 1000)]
    server.send_text(b"text" * 1000)
    [data] = server.data_to_send()
    client.receive_data(data)
    assert client.events() == ["text" * 1000]
    assert len(data) < 200


def test_what_comes_with_the_request() -> None:
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()], max_size=(99, 9))
    client = wscore.ClientProtocol("ws://h/", extensions=[Deflate(threshold=0)])
    client.send_request(client.connect())
    early = bytes([0x81, 0x85, 0, 0, 0, 0]) + b"early"
    server.receive_data(b"".join(client.data_to_send()) + early)
    [asked] = server.events_received()
    assert isinstance(asked, Request)
    server.send_response(server.accept(asked))
    assert server.events_received() == [Frame(TEXT, b"early")]


def test_an_extension_that_is_taken_out_of_the_response() -> None:
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    response = server.accept(request(("Sec-WebSocket-Extensions", "permessage-deflate")))
    del response.headers["Sec-WebSocket-Extensions"]
    server.send_response(response)
    assert server.extensions == []
    server.data_to_send()
    server.send_text(b"plain")
    assert server.data_to_send() == [b"\x81\x05plain"]


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        (request(method="POST"), 405, InvalidMethod),
        (Request("/", request().headers, "GET", "HTTP/1.0"), 505, InvalidProtocol),
        (request(without="Upgrade"), 426, InvalidUpgrade),
        (request(("Upgrade", "h2c"), without="Upgrade"), 426, InvalidUpgrade),
        (request(without="Connection"), 426, InvalidUpgrade),
        (request(without="Sec-WebSocket-Key"), 400, InvalidHeader),
        (request(("Sec-WebSocket-Key", KEY)), 400, InvalidHeader),
        (request(without="Sec-WebSocket-Version"), 426, InvalidHeader),
        (request(("Origin", "http://a"), ("Origin", "http://b")), 400, InvalidHeader),
    ],
)
def test_refusals(asked: Request, status: int, kind: type[Exception]) -> None:
    server = ServerProtocol()
    response = server.accept(asked)
    assert response.status_code == status
    assert isinstance(server.handshake_exc, kind)
    assert "Date" in response.headers
    assert (response.headers.get("Allow") == "GET") is (status == 405)
    assert (response.headers.get("Upgrade") == "websocket") is (status == 426)
    with pytest.warns(DeprecationWarning, match="handshake_exc"):
        assert asked.exception is server.handshake_exc
    server.send_response(response)
    head, end = server.data_to_send()
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert end == SEND_EOF
    assert server.state is CONNECTING
    assert server.close_expected()
    server.receive_data(b"more")
    server.receive_eof()
    assert server.data_to_send() == server.events_received() == []
    assert server.state is CLOSED


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://example.com", True),
        ("https://EXAMPLE.com", False),  # as websockets: the same text
        ("https://a.example.org", True),
        ("https://a.example.org.evil", False),
        ("https://other.example", False),
        (None, True),
    ],
)
def test_origins(origin: str | None, accepted: bool) -> None:
    origins: Any = ["https://example.com", re.compile(r"https://[a-z]+\.example\.org"), None]
    server = ServerProtocol(origins=origins)
    response = server.accept(request() if origin is None else request(("Origin", origin)))
    assert response.status_code == (101 if accepted else 403)
    assert accepted is not isinstance(server.handshake_exc, InvalidOrigin)


@pytest.mark.parametrize(
    ("offered", "status", "chosen"),
    [("chat", 101, "chat"), ("a, chat, b", 101, "chat"), ("other", 400, None), (None, 400, None)],
)
def test_subprotocols(offered: str | None, status: int, chosen: str | None) -> None:
    server = ServerProtocol(subprotocols=["superchat", "chat"])  # type: ignore[list-item]
    changes = [] if offered is None else [("Sec-WebSocket-Protocol", offered)]
    response = server.accept(request(*changes))
    assert response.status_code == status
    assert server.subprotocol == response.headers.get("Sec-WebSocket-Protocol") == chosen
    assert isinstance(server.handshake_exc, NegotiationError) is (status == 400)


@pytest.mark.parametrize(("offered", "chosen"), [("a, b", "b"), ("a", None), (None, None)])
def test_a_subprotocol_by_function(offered: str | None, chosen: str | None) -> None:
    def select(protocol: ServerProtocol, names: Sequence[Any]) -> Any:
        assert isinstance(protocol, ServerProtocol)
        return "b" if "b" in names else None

    server = ServerProtocol(select_subprotocol=select)
    changes = [] if offered is None else [("Sec-WebSocket-Protocol", offered)]
    assert server.accept(request(*changes)).status_code == 101
    assert server.subprotocol == chosen


def test_a_function_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def select(protocol: ServerProtocol, names: Sequence[Any]) -> Any:
        raise KeyError("secret")

    server = ServerProtocol(select_subprotocol=select)
    response = server.accept(request())
    assert response.status_code == 500
    assert b"secret" not in response.body
    assert isinstance(server.handshake_exc, KeyError)
    assert "opening handshake failed" in caplog.text


def test_extensions_of_one_name() -> None:
    factories = [
        ServerPerMessageDeflateFactory(
            client_max_window_bits=9, require_client_max_window_bits=True
        ),
        ServerPerMessageDeflateFactory(server_max_window_bits=10),
    ]
    server = ServerProtocol(extensions=factories)
    offer = "x-unknown, permessage-deflate, permessage-deflate"
    response = server.accept(request(("Sec-WebSocket-Extensions", offer)))
    chosen = response.headers["Sec-WebSocket-Extensions"]
    assert chosen == "permessage-deflate; server_max_window_bits=10"
    assert len(server.extensions) == 1


def test_an_answer_of_ones_own() -> None:
    server = ServerProtocol()
    response = server.reject(404, "not here\n")
    assert isinstance(response, Response)
    assert (response.status_code, response.reason_phrase) == (404, "Not Found")
    assert response.body == b"not here\n"
    server.send_response(response)
    assert server.data_to_send()[0].endswith(b"\r\n\r\nnot here\n")


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"junk\r\n\r\n", InvalidMessage, 400),
        (b"GET /" + b"a" * 9000, RequestLineTooLong, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9000, HeaderLineTooLong, 431),
    ],
)
def test_what_is_no_request(data: bytes, kind: type[InvalidMessage], status: int) -> None:
    server = ServerProtocol()
    server.receive_data(data)
    assert isinstance(server.handshake_exc, kind)
    assert server.events_received() == []
    head, end = server.data_to_send()
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert end == SEND_EOF


def test_heads_may_be_as_large_as_websockets_allows() -> None:
    asked = request(*((f"X-{number}", "a" * 8000) for number in range(100)))
    server = ServerProtocol()
    server.receive_data(asked.serialize())
    assert server.events_received() == [asked]


def test_the_end_before_the_request() -> None:
    server = ServerProtocol()
    server.receive_data(b"GET / HT")
    server.receive_eof()
    assert isinstance(server.handshake_exc, InvalidMessage)
    assert isinstance(server.handshake_exc.__cause__, EOFError)
    assert server.data_to_send() == [SEND_EOF]


def test_without_a_handshake() -> None:
    server = ServerProtocol(state=OPEN)
    server.receive_data(b"\x81\x82\x00\x00\x00\x00hi")
    assert server.events_received() == [Frame(TEXT, b"hi")]


def test_methods_that_are_overridden() -> None:
    class Mine(ServerProtocol):
        def process_subprotocol(self, headers: wscore.Headers) -> Any:
            return "mine"

    response = Mine().accept(request())
    assert response.headers["Sec-WebSocket-Protocol"] == "mine"
    assert response.headers["Sec-WebSocket-Accept"] == ACCEPT


def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        server = ServerProtocol()
        server.send_response(server.accept(request()))
        server = ServerProtocol()
        server.send_response(server.accept(request(without="Upgrade")))
        server = ServerProtocol()
        server.send_response(server.reject(404, ""))
    assert caplog.messages == [
        "connection open",
        "connection rejected (426 Upgrade Required)",
        "HTTP response sent (404 Not Found)",
    ]


def test_the_old_name_warns() -> None:
    with pytest.warns(DeprecationWarning, match="renamed to ServerProtocol"):
        assert isinstance(ServerConnection(), ServerProtocol)


def test_heads_are_logged_without_credentials(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "websockets.server"):
        server = ServerProtocol()
        asked = request(("Authorization", "Basic secret"))
        server.receive_data(asked.serialize())
        server.send_response(server.accept(asked))
    assert "< GET / HTTP/1.1" in caplog.messages
    assert f"> Sec-WebSocket-Accept: {ACCEPT}" in caplog.messages
    assert "secret" not in caplog.text


def test_it_takes_the_engines_requests() -> None:
    asked: Any = wscore.Request("/", request().headers)
    assert ServerProtocol().accept(asked).status_code == 101
    assert ServerProtocol().accept(wscore.Request("/", wscore.Headers())).status_code == 426  # type: ignore[arg-type]
