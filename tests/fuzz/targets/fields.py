"""Header fields: the grammars of lists, extensions, origins and credentials.

Nothing but the documented errors, everything that is read can be written and read again, and no
input takes long: it is pumped up to the size of a whole head, so that a superlinear match runs
into the engine's timeout.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wscore.errors import InvalidHeader, InvalidMessage
from wscore.protocol.headers import (
    Headers,
    Origins,
    build_authorization_basic,
    build_extensions,
    build_subprotocols,
    is_field_value,
    is_token,
    parse_authorization_basic,
    parse_connection,
    parse_extensions,
    parse_subprotocols,
    parse_upgrade,
)
from wscore.protocol.http11 import MAX_HEAD

from ..choices import Choices
from ..seeds import HEADER_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = (*HEADER_TOKENS, b"https://example.com:443", b"[::1]", b"null", b"Basic ", b'="', b"\\\\")

# Ports are numbers of at most five digits.
_is_served = re.compile(r"https://example\.com(?::0{0,2}443)?").fullmatch


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    pump = choices.flag()
    before, pumped = choices.text(), choices.text()
    value = before + pumped + choices.rest()
    _read_all(value.decode("latin-1"))
    if pump and pumped:
        value = before + pumped * (MAX_HEAD // len(pumped)) + value[len(before + pumped) :]
        _read_all(value[:MAX_HEAD].decode("latin-1"))


def _read_all(value: str) -> None:
    _read_lines(value)
    if is_field_value(value):
        _read_again(value, "Sec-WebSocket-Extensions", parse_extensions, build_extensions)
        _read_again(value, "Sec-WebSocket-Protocol", parse_subprotocols, build_subprotocols)
        _read_again(value, "Connection", parse_connection, ", ".join)
        _read_again(value, "Upgrade", parse_upgrade, ", ".join)
    _read_credentials(value)
    served = value in Origins([None, "https://example.com"])
    assert served is (_is_served(value.lower()) is not None)


def _read_lines(text: str) -> None:
    try:
        headers = Headers.parse(text)
    except InvalidMessage:
        return
    assert all(is_token(name) and is_field_value(value) for name, value in headers.raw_items())
    assert not any(value != value.strip(" \t") for _, value in headers.raw_items())
    assert Headers.parse(str(headers).removesuffix("\r\n").removesuffix("\r\n")) == headers
    lines = text.split("\r\n") if text else []
    assert [line.partition(":")[0] for line in lines] == [name for name, _ in headers.raw_items()]


def _read_again(
    value: str, name: str, parse: Callable[[Headers], list[Any]], build: Callable[[Any], str]
) -> None:
    try:
        found = parse(Headers([(name, value)]))
    except InvalidHeader:
        return
    assert found, "an empty list is malformed"
    assert parse(Headers([(name, build(found))])) == found


def _read_credentials(value: str) -> None:
    try:
        username, password = parse_authorization_basic(value)
    except InvalidHeader as error:
        refusal = error
    else:
        written = build_authorization_basic(username, password)
        assert parse_authorization_basic(written) == (username, password)
        return
    assert refusal.status == 401
    # Credentials end up in no log.
    assert len(value) < 20 or value not in str(refusal)


def seeds() -> list[bytes]:
    values = (
        'permessage-deflate; client_max_window_bits; a="b\\c"; server_max_window_bits=10, x-y',
        "permessage-deflate;server_no_context_takeover,permessage-deflate",
        "keep-alive, Upgrade",
        "websocket, HTTP/2.0",
        "chat, superchat, ,",
        "https://example.com:0443",
        "Basic dXNlcjpwYXNz",
        "Host: a\r\nUpgrade:  websocket \t\r\nX:",
    )
    pumps = ((b"", b" "), (b"a", b", "), (b"a;b=", b'"c"'), (b'a;b="', b"\\ "), (b"a", b";b"))
    return [
        *(bytes((0, 0, 0)) + value.encode() for value in values),
        *(bytes((1, len(a))) + a + bytes((len(b),)) + b for a, b in pumps),
    ]
