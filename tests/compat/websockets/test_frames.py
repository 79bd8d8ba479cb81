"""Frames as websockets has them, against wscore's own kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import wscore
from wscore import Opcode, PayloadTooBig, ProtocolError
from wscore.compat.websockets import frames
from wscore.compat.websockets.extensions import Extension
from wscore.compat.websockets.frames import Close, CloseCode, Frame, prepare_ctrl, prepare_data
from wscore.compat.websockets.streams import StreamReader
from wscore.compat.websockets.typing import ExtensionName


def parsed(
    data: bytes,
    *,
    mask: bool = False,
    max_size: int | None = None,
    extensions: Sequence[Extension] | None = None,
) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parser = Frame.parse(reader.read_exact, mask=mask, max_size=max_size, extensions=extensions)
    with pytest.raises(StopIteration) as done:
        next(parser)
    frame: Frame = done.value.value
    return frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [False, True])
def test_there_and_back(size: int, mask: bool) -> None:
    frame = Frame(Opcode.BINARY, bytes(size), fin=False)
    data = frame.serialize(mask=mask)
    header = wscore.parse_header(data)
    assert header is not None
    assert (header.length, header.fin, header.mask is not None) == (size, False, mask)
    assert parsed(data, mask=mask) == frame


def test_the_bytes_are_those_of_the_kernel() -> None:
    assert Frame(Opcode.TEXT, b"hi").serialize(mask=False) == wscore.encode_frame(1, b"hi")


def test_keys_are_fresh() -> None:
    frame = Frame(Opcode.TEXT, bytes(16))
    assert frame.serialize(mask=True) != frame.serialize(mask=True)


@pytest.mark.parametrize(
    ("data", "mask"),
    [
        (b"\x83\x00", False),  # a reserved opcode
        (b"\x09\x00", False),  # a fragmented ping
        (b"\x89\x7e\x00\x7e" + bytes(126), False),  # one that is too long
        (b"\x81\x7e\x00\x05hello", False),  # a length that is not in its shortest form
        (b"\xc1\x00", False),
        (b"\xa1\x00", False),
        (b"\x91\x00", False),
        (b"\x81\x00", True),
        (b"\x81\x80\x01\x02\x03\x04", False),
    ],
)
def test_what_no_peer_may_send(data: bytes, mask: bool) -> None:
    with pytest.raises(ProtocolError):
        parsed(data, mask=mask)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.PING, bytes(126)),
        Frame(Opcode.CLOSE, b"", fin=False),
        Frame(Opcode.TEXT, b"", rsv1=True),
        Frame(Opcode.TEXT, b"", rsv3=True),
    ],
)
def test_what_nobody_may_send(frame: Frame) -> None:
    with pytest.raises(ProtocolError):
        frame.serialize(mask=False)


def test_a_frame_that_is_too_big_is_refused_by_its_header() -> None:
    with pytest.raises(PayloadTooBig, match="with 1000 bytes"):
        parsed(b"\x82\x7e\x03\xe8", max_size=999)


def test_the_end_inside_a_frame() -> None:
    with pytest.raises(EOFError):
        parsed(b"\x82\x05abc")


class Marking(Extension):
    """Sets a bit, and adds a byte in front."""

    name = ExtensionName("x-marking")

    def __init__(self, bit: str, byte: bytes) -> None:
        self.bit, self.byte = bit, byte

    def encode(self, frame: Frame) -> Frame:
        change: dict[str, Any] = {self.bit: True, "data": self.byte + bytes(frame.data)}
        return replace(frame, **change)

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        assert getattr(frame, self.bit)
        assert bytes(frame.data[:1]) == self.byte
        change: dict[str, Any] = {self.bit: False, "data": frame.data[1:]}
        return replace(frame, **change)


def test_extensions_encode_in_order_and_decode_in_reverse() -> None:
    extensions = [Marking("rsv2", b"a"), Marking("rsv3", b"b")]
    frame = Frame(Opcode.BINARY, b"data")
    data = frame.serialize(mask=False, extensions=extensions)
    assert data == b"\xb2\x06badata"
    assert parsed(data, extensions=extensions) == frame


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (Frame(Opcode.TEXT, "Grüße".encode()), "TEXT 'Grüße' [7 bytes]"),
        (Frame(Opcode.TEXT, b"x", fin=False), "TEXT 'x' [1 byte, continued]"),
        (Frame(Opcode.TEXT, b"\xff\x00"), "TEXT ff 00 [binary, 2 bytes]"),
        (Frame(Opcode.BINARY, b"text\n"), "BINARY 'text\\n' [text, 5 bytes]"),
        (Frame(Opcode.BINARY, memoryview(b"\x00\x01")), "BINARY 00 01 [2 bytes]"),
        (Frame(Opcode.CONT, "€".encode()[1:]), "CONT '��' [text, 2 bytes]"),
        (Frame(Opcode.PING, "€".encode()), "PING e2 82 ac [binary, 3 bytes]"),
        (Frame(Opcode.PONG, b""), "PONG '' [0 bytes]"),
        (Frame(Opcode.CLOSE, b"\x03"), "CLOSE 03 [binary, 1 byte]"),
    ],
)
def test_frames_for_people(frame: Frame, shown: str) -> None:
    assert str(frame) == shown


def test_a_close_for_people_cannot_forge_a_line() -> None:
    payload = Close(1000, "bye\nINFO forged").serialize()
    assert "\n" not in str(Frame(Opcode.CLOSE, payload))


@pytest.mark.parametrize("data", [b"\x01" * 10_000, "grün ".encode() * 2_000])
def test_long_frames_are_shown_by_their_ends(data: bytes) -> None:
    shown = str(Frame(Opcode.BINARY, data))
    assert "..." in shown
    assert len(shown) < 150


def test_names_are_wscores() -> None:
    assert Close is wscore.Close
    assert CloseCode is wscore.CloseCode
    assert frames.Opcode is wscore.Opcode
    assert frames.OP_TEXT is frames.TEXT is Opcode.TEXT
    assert {1000, 1001, 1005} == frames.OK_CLOSE_CODES
    assert not frames.EXTERNAL_CLOSE_CODES & {1005, 1006, 1015}
    assert frames.CLOSE_CODE_EXPLANATIONS[1001] == "going away"


def test_what_messages_and_control_frames_are_made_of() -> None:
    assert prepare_data("ü") == (Opcode.TEXT, b"\xc3\xbc")
    assert prepare_data(bytearray(b"x")) == (Opcode.BINARY, b"x")
    assert prepare_ctrl("ü") == prepare_ctrl(memoryview(b"\xc3\xbc")) == b"\xc3\xbc"
    for prepare in prepare_data, prepare_ctrl:
        with pytest.raises(TypeError):
            prepare(1)  # type: ignore[operator]
