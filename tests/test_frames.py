"""The words of the protocol: opcodes, close codes, what a Close says (RFC 6455 5.5.1, 7.4)."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from support import oracles

from wscore import Close, CloseCode, Frame, FrameHeader, Opcode, ProtocolError
from wscore.codes import close_code_name, is_sendable_close_code

if TYPE_CHECKING:
    from collections.abc import Callable


def test_opcodes() -> None:
    assert {opcode.name: int(opcode) for opcode in Opcode} == {
        "CONT": 0, "TEXT": 1, "BINARY": 2, "CLOSE": 8, "PING": 9, "PONG": 10,
    }  # fmt: skip


def test_close_codes_are_those_of_the_registry() -> None:
    """https://www.iana.org/assignments/websocket: 1004 is reserved and has no meaning."""
    assert [int(code) for code in CloseCode] == [*range(1000, 1004), *range(1005, 1016)]
    assert CloseCode(1000) is CloseCode.NORMAL_CLOSURE
    assert CloseCode(1009) is CloseCode.MESSAGE_TOO_BIG
    assert CloseCode(1015) is CloseCode.TLS_HANDSHAKE


def test_sendable_close_codes() -> None:
    for code in range(-10, 70000):
        assert is_sendable_close_code(code) is oracles.is_sendable_close_code(code), code
    for code in CloseCode:
        assert is_sendable_close_code(code) is oracles.is_sendable_close_code(int(code))


@pytest.mark.parametrize(
    ("code", "name"),
    [(1000, "normal closure"), (1005, "no status rcvd"), (1015, "tls handshake"),
     (3000, "registered"), (3999, "registered"), (4000, "private use"), (4999, "private use"),
     (999, "unknown"), (1004, "unknown"), (1016, "unknown"), (2999, "unknown"), (5000, "unknown")],
)  # fmt: skip
def test_names_of_close_codes(code: int, name: str) -> None:
    assert close_code_name(code) == name


def test_an_empty_close() -> None:
    assert Close.parse(b"") == Close() == (1005, "")
    assert Close().serialize() == b""


def refusal(call: Callable[..., object], *arguments: object) -> tuple[type[Exception], int | None]:
    """What *call* raises, and its close code."""
    try:
        call(*arguments)
    except (ProtocolError, ValueError) as error:
        return type(error), getattr(error, "code", None)
    raise AssertionError("nothing was raised")


def test_every_close_code_read_and_written() -> None:
    for code in range(1 << 16):
        body = code.to_bytes(2, "big") + b"why"
        if oracles.is_sendable_close_code(code):
            close = Close.parse(body)
            assert close == (code, "why")
            assert close.serialize() == body
        else:
            assert refusal(Close.parse, body) == (ProtocolError, 1002), code
            assert refusal(Close(code, "why").serialize) == (ValueError, None), code


@pytest.mark.parametrize("code", [-1, 1 << 16, 1005, 1006, 1015])
def test_codes_that_are_not_written(code: int) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        Close(code, "why").serialize()


@pytest.mark.parametrize("body", [b"\x03", b"\0", b"\xff"])
def test_a_body_of_one_byte(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="one byte") as error:
        Close.parse(body)
    assert error.value.code == 1002


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc0\x80", b"\xe2\x82", b"\xed\xa0\x80"])
def test_a_reason_that_is_not_utf8(reason: bytes) -> None:
    with pytest.raises(ProtocolError, match="not UTF-8") as error:
        Close.parse(b"\x03\xe8" + reason)
    assert error.value.code == 1007
    assert error.value.__suppress_context__


@pytest.mark.parametrize("reason", ["x" * 123, "\xe9" * 61 + "x", "\U0001f600" * 30, "a\0b"])
def test_reasons_that_fit(reason: str) -> None:
    body = Close(1000, reason).serialize()
    assert len(body) <= 125
    assert Close.parse(body) == (1000, reason)


@pytest.mark.parametrize("reason", ["x" * 124, "\xe9" * 62, "\U0001f600" * 31])
def test_reasons_that_are_too_long(reason: str) -> None:
    size = len(reason.encode())
    with pytest.raises(ValueError, match=f"close reason has {size} bytes, at most 123 are allowed"):
        Close(1000, reason).serialize()


def test_a_reason_that_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        Close(1000, "\ud800").serialize()


@pytest.mark.parametrize(
    ("close", "text"),
    [
        (Close(), "1005 (no status rcvd)"),
        (Close(1001, "bye"), "1001 (going away) bye"),
        (Close(CloseCode.GOING_AWAY), "1001 (going away)"),
        (Close(4000, "grüß\n\x1b[2J\u202e"), "4000 (private use) grüß\\n\\x1b[2J\\u202e"),
    ],
)
def test_a_close_in_words(close: Close, text: str) -> None:
    assert str(close) == text


def test_frames_are_plain_values() -> None:
    frame = Frame(Opcode.PING, b"x")
    assert frame == (9, b"x", True, False)
    assert frame._fields == ("opcode", "payload", "fin", "rsv1")
    assert FrameHeader._fields == ("fin", "rsv", "opcode", "mask", "length", "size")
    for value in (frame, Close(1000, "x"), FrameHeader(True, 0, Opcode.TEXT, None, 1, 2)):
        assert pickle.loads(pickle.dumps(value)) == value
