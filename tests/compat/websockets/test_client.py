"""The client's protocol without I/O, against wscore's server."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

import wscore
from wscore import InvalidHeader, InvalidMessage, InvalidStatus, NegotiationError
from wscore.compat.websockets.client import (
    ClientConnection,
    ClientProtocol,
    backoff,
    process_exception,
)
from wscore.compat.websockets.exceptions import HeaderLineTooLong, TooManyHeaders
from wscore.compat.websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from wscore.compat.websockets.frames import TEXT, Frame
from wscore.compat.websockets.http11 import Response
from wscore.compat.websockets.protocol import CLOSED, CONNECTING, OPEN, SEND_EOF
from wscore.compat.websockets.uri import parse_uri
from wscore.deflate import PerMessageDeflate as Deflate
from wscore.protocol.handshake import accept_key

URI = parse_uri("ws://me:word@example.com:8000/chat?room=1")


def answer(client: ClientProtocol, *more: str) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(client.key)}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_handshake_with_the_engine() -> None:
    client = ClientProtocol(
        URI,
        origin="https://example.com",  # type: ignore[arg-type]
        extensions=[ClientPerMessageDeflateFactory()],
        subprotocols=["chat", "superchat"],  # type: ignore[list-item]
    )
    server = wscore.ServerProtocol(subprotocols=["superchat"], extensions=[Deflate()])
    request = client.connect()
    request.headers["X-Mine"] = "yes"
    client.send_request(request)
    server.receive_data(b"".join(client.data_to_send()))
    [asked] = server.events()
    assert isinstance(asked, wscore.Request)
    assert asked.path == "/chat?room=1"
    assert dict(asked.headers.raw_items()) | {"Sec-WebSocket-Key": ""} == {
        "Host": "example.com:8000",
        "Origin": "https://example.com",
        "Authorization": "Basic bWU6d29yZA==",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "chat, superchat",
        "X-Mine": "yes",
    }
    server.send_response(server.accept(asked))
    server.send("first")
    client.receive_data(b"".join(server.data_to_send()))
    response, frame = client.events_received()
    assert isinstance(response, Response)
    assert response.status_code == 101
    assert frame == Frame(TEXT, b"first")
    assert client.state is OPEN
    assert client.subprotocol == "superchat"
    assert client.handshake_exc is None
    [extension] = client.extensions
    assert isinstance(extension, PerMessageDeflate)
    client.send_text(b"text" * 1000)
    server.receive_data(b"".join(client.data_to_send()))
    assert server.events() == ["text" * 1000]
    assert server.reader.nbytes < 200


def test_byte_by_byte() -> None:
    client = ClientProtocol(URI)
    for byte in answer(client) + b"\x81\x02hi":
        client.receive_data(bytes([byte]))
    assert client.events_received()[1:] == [Frame(TEXT, b"hi")]
    assert client.data_to_send() == []


def test_a_refusal() -> None:
    client = ClientProtocol(URI)
    client.receive_data(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno.\nmore")
    [response] = client.events_received()
    assert isinstance(response, Response)
    assert (response.status_code, response.body) == (403, b"no.\n")
    assert isinstance(client.handshake_exc, InvalidStatus)
    assert client.state is CONNECTING
    assert client.close_expected()
    assert client.data_to_send() == [SEND_EOF]
    client.receive_data(b"more")
    client.receive_eof()
    assert client.data_to_send() == client.events_received() == []
    assert client.state is CLOSED


def test_a_refusal_that_the_end_completes() -> None:
    client = ClientProtocol(URI)
    client.receive_data(b"HTTP/1.1 403 Forbidden\r\n\r\nno.\n")
    client.receive_eof()
    [response] = client.events_received()
    assert isinstance(response, Response)
    assert response.body == b"no.\n"
    assert isinstance(client.handshake_exc, InvalidStatus)


def test_the_end_before_the_answer() -> None:
    client = ClientProtocol(URI)
    client.receive_data(b"HTTP/1.1 101 Swi")
    client.receive_eof()
    assert isinstance(client.handshake_exc, InvalidMessage)
    assert isinstance(client.handshake_exc.__cause__, EOFError)
    assert client.events_received() == []
    assert process_exception(client.handshake_exc) is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"220 smtp\r\n", InvalidMessage),
        (b"HTTP/1.1 101 \r\nA: " + b"a" * 9000, HeaderLineTooLong),
        (b"HTTP/1.1 101 \r\n" + b"A: b\r\n" * 200, TooManyHeaders),
    ],
)
def test_what_is_no_answer(data: bytes, kind: type[InvalidMessage]) -> None:
    client = ClientProtocol(URI)
    client.receive_data(data)
    assert isinstance(client.handshake_exc, kind)
    assert client.data_to_send() == [SEND_EOF]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Sec-WebSocket-Accept: twice", InvalidHeader),
        ("Sec-WebSocket-Protocol: chat", NegotiationError),
        ("Sec-WebSocket-Extensions: permessage-deflate", NegotiationError),
    ],
)
def test_what_was_not_asked_for(line: str, kind: type[Exception]) -> None:
    client = ClientProtocol(URI)
    client.receive_data(answer(client, line))
    assert isinstance(client.handshake_exc, kind)
    [response] = client.events_received()
    assert isinstance(response, Response)
    with pytest.warns(DeprecationWarning, match="handshake_exc"):
        assert response.exception is client.handshake_exc
    assert client.state is CONNECTING


class Naming:
    """An extension that only has a name and a value, offered by this factory."""

    name: Any = "x-naming"

    def __init__(self, value: str) -> None:
        self.value = value

    def get_request_params(self) -> Any:
        return [("value", self.value)]

    def process_response_params(self, params: Any, accepted_extensions: Any) -> Any:
        if params != self.get_request_params():
            raise NegotiationError
        return self

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return frame


def test_the_first_factory_that_takes_the_answer() -> None:
    factories: Any = [Naming("1"), Naming("2")]
    client = ClientProtocol(URI, extensions=factories)
    offered = client.connect().headers["Sec-WebSocket-Extensions"]
    assert offered == "x-naming; value=1, x-naming; value=2"
    client.receive_data(answer(client, "Sec-WebSocket-Extensions: x-naming; value=2"))
    assert client.extensions == [factories[1]]
    client.receive_data(b"\x81\x02hi")
    assert client.events_received()[-1] == Frame(TEXT, b"hi")


def test_an_answer_that_no_factory_takes() -> None:
    factories: Any = [Naming("1")]
    client = ClientProtocol(URI, extensions=factories)
    client.receive_data(answer(client, "Sec-WebSocket-Extensions: x-naming; value=2"))
    assert isinstance(client.handshake_exc, NegotiationError)


def test_limits_of_frames_hold_from_the_first() -> None:
    client = ClientProtocol(URI, max_size=(10, 3))
    client.receive_data(answer(client) + b"\x81\x04four")
    assert client.close_sent is not None
    assert client.close_sent.code == 1009


def test_without_a_handshake() -> None:
    client = ClientProtocol(URI, state=OPEN)
    client.receive_data(b"\x81\x02hi")
    assert client.events_received() == [Frame(TEXT, b"hi")]


def test_the_old_name_warns() -> None:
    with pytest.warns(DeprecationWarning, match="renamed to ClientProtocol"):
        assert isinstance(ClientConnection(URI), ClientProtocol)


# Reconnecting ------------------------------------------------------------------------------------


def _status(code: int) -> InvalidStatus:
    return InvalidStatus(Response(code, "", wscore.Headers()))


def _reset() -> InvalidMessage:
    error = InvalidMessage("the stream ended during the opening handshake")
    error.__cause__ = ConnectionResetError()  # as the engine has it
    return error


@pytest.mark.parametrize(
    "error", [OSError(), TimeoutError(), ConnectionResetError(), _status(503), _reset()]
)
def test_what_passes(error: Exception) -> None:
    assert process_exception(error) is None


@pytest.mark.parametrize("error", [ValueError(), InvalidMessage("junk"), _status(404)])
def test_what_stays(error: Exception) -> None:
    assert process_exception(error) is error


def test_delays_grow() -> None:
    first, *others = islice(backoff(4, 1, 9, 2), 7)
    assert 0 <= first < 4
    assert others == [1, 2, 4, 8, 9, 9]
