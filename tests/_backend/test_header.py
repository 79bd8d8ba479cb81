"""Single frames: parse_header and encode_frame against RFC 6455 5.2 and its examples (5.7)."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.oracles import WireFrame

from wscore import FrameHeader, Opcode, ProtocolError

if TYPE_CHECKING:
    from types import ModuleType

KEY = bytes.fromhex("37fa213d")
OPCODES = (0, 1, 2, 8, 9, 10)
RESERVED = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
LENGTHS = (0, 1, 124, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537, 2**20, 2**32, 2**63 - 1)

RFC_EXAMPLES = [
    ("810548656c6c6f", WireFrame(1, b"Hello")),
    ("818537fa213d7f9f4d5158", WireFrame(1, b"Hello", mask=KEY)),
    ("010348656c", WireFrame(1, b"Hel", fin=False)),
    ("80026c6f", WireFrame(0, b"lo")),
    ("890548656c6c6f", WireFrame(9, b"Hello")),
    ("8a8537fa213d7f9f4d5158", WireFrame(10, b"Hello", mask=KEY)),
    ("827e0100" + "ab" * 256, WireFrame(2, b"\xab" * 256)),
    ("827f0000000000010000" + "cd" * 65536, WireFrame(2, b"\xcd" * 65536)),
]


def verdict(parse: Any, data: bytes) -> Any:
    """What a parser says of *data*, with any violation as a word."""
    try:
        return parse(data)
    except (ProtocolError, oracles.Violation):
        return "violation"


@pytest.mark.parametrize(("wire", "frame"), RFC_EXAMPLES, ids=range(len(RFC_EXAMPLES)))
def test_the_examples_of_rfc_6455(backend: ModuleType, wire: str, frame: WireFrame) -> None:
    data = bytes.fromhex(wire)
    assert oracles.encode(frame) == data
    assert oracles.decode(data) == [frame]
    opcode, payload, fin, _, mask = frame
    assert backend.encode_frame(opcode, payload, fin=fin, mask=mask) == data
    header = backend.parse_header(data)
    assert header == (fin, 0, opcode, mask, len(payload), len(data) - len(payload))


@pytest.mark.parametrize("tail", [b"", bytes(12), b"\0\xff" * 6, b"\x01\x00" * 6, b"\x80" * 12])
def test_every_first_two_bytes(backend: ModuleType, tail: bytes) -> None:
    wrong = []
    for start in range(1 << 16):
        data = start.to_bytes(2, "big") + tail
        if verdict(backend.parse_header, data) != verdict(oracles.decode_header, data):
            wrong.append(data)
    assert not wrong


@pytest.mark.parametrize("mask", [None, KEY])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_cut_off_anywhere(
    backend: ModuleType, length: int, mask: bytes | None
) -> None:
    data = oracles.encode_header(2, length, rsv=5, mask=mask)
    for cut in range(len(data)):
        assert backend.parse_header(data[:cut]) is None
    for rest in (b"", b"\xff", bytes(100)):
        header = backend.parse_header(data + rest)
        assert header == (True, 5, 2, mask, length, len(data))
        assert type(header) is FrameHeader
        assert type(header.opcode) is Opcode
        assert type(header.fin) is bool
        assert type(header.rsv) is int


@pytest.mark.parametrize(
    ("length", "extended"),
    [(0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8), (2**63, 8), (2**64 - 1, 8)],
)
@pytest.mark.parametrize("mask", [None, KEY])
def test_lengths_that_are_not_shortest_or_too_long(
    backend: ModuleType, length: int, extended: int, mask: bytes | None
) -> None:
    data = oracles.encode_header(2, length, mask=mask, extended=extended)
    match = "top bit" if length >= 2**63 else "shortest form"
    with pytest.raises(ProtocolError, match=match) as error:
        backend.parse_header(data)
    assert error.value.code == 1002
    with pytest.raises(ProtocolError):
        backend.parse_header(data[: 2 + extended])  # the masking key is not waited for
    assert backend.parse_header(data[: 1 + extended]) is None


@pytest.mark.parametrize("opcode", RESERVED)
def test_reserved_opcodes(backend: ModuleType, opcode: int) -> None:
    with pytest.raises(ProtocolError, match=f"reserved opcode 0x{opcode:x}") as error:
        backend.parse_header(bytes([0x80 | opcode, 0]))
    assert error.value.code == 1002


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_control_frames_are_judged_from_two_bytes(backend: ModuleType, opcode: int) -> None:
    with pytest.raises(ProtocolError, match="fragmented control"):
        backend.parse_header(bytes([opcode, 0]))
    for length in (126, 127):
        with pytest.raises(ProtocolError, match="more than 125"):
            backend.parse_header(bytes([0x80 | opcode, length]))
    assert backend.parse_header(bytes([0x80 | opcode, 125])).length == 125


def test_offset(backend: ModuleType) -> None:
    frame = oracles.encode_header(1, 300, mask=KEY)
    for offset in (0, 1, 7, 64):
        data = b"\xff" * offset + frame
        assert backend.parse_header(data, offset) == backend.parse_header(frame)
        assert backend.parse_header(data, offset=offset) == backend.parse_header(frame)
        assert backend.parse_header(data[:-1], offset) is None
        assert backend.parse_header(data, len(data)) is None
        for outside in (-1, len(data) + 1, -len(data)):
            with pytest.raises(ValueError, match="offset outside the data"):
                backend.parse_header(data, outside)


def test_any_buffer(backend: ModuleType) -> None:
    frame = oracles.encode_header(1, 5, mask=KEY) + bytes(2)
    truth = backend.parse_header(frame)
    for data in (bytearray(frame), memoryview(frame), array("I", frame)):
        assert backend.parse_header(data) == truth
        assert backend.encode_frame(2, data) == backend.encode_frame(2, frame)
    for error, wrong in ((TypeError, "text"), (TypeError, None),
                         (BufferError, memoryview(frame)[::2])):  # fmt: skip
        with pytest.raises(error):
            backend.parse_header(wrong)
        with pytest.raises(error):
            backend.encode_frame(2, wrong)


@pytest.mark.parametrize("mask", [None, KEY, bytes(4)])
def test_encoding_every_length(kernel: ModuleType, mask: bytes | None) -> None:
    payload = random.Random(52).randbytes(70000)
    for length in (*range(400), 65534, 65535, 65536, 70000):
        truth = oracles.encode(WireFrame(2, payload[:length], mask=mask))
        assert kernel.encode_frame(2, payload[:length], mask=mask) == truth, length


def test_encoding_every_legal_first_byte(backend: ModuleType) -> None:
    for opcode in OPCODES:
        for fin in (True, False) if opcode < 8 else (True,):
            for rsv1 in (False, True) if opcode in (1, 2) else (False,):
                for kind in (opcode, Opcode(opcode)):
                    frame = WireFrame(opcode, b"abc", fin, 4 if rsv1 else 0, KEY)
                    encoded = backend.encode_frame(kind, b"abc", fin=fin, rsv1=rsv1, mask=KEY)
                    assert encoded == oracles.encode(frame)
                    assert type(encoded) is bytes


def test_defaults(backend: ModuleType) -> None:
    assert backend.encode_frame(9) == b"\x89\0"
    assert backend.encode_frame(0, mask=bytearray(4)) == b"\x80\x80\0\0\0\0"


ILLEGAL = [
    *[({"opcode": opcode}, "reserved opcode") for opcode in (*RESERVED, 16, 129, 256, -1)],
    *[({"opcode": opcode, "fin": False}, "fragmented") for opcode in (8, 9, 10)],
    *[({"opcode": opcode, "payload": bytes(126)}, "125") for opcode in (8, 9, 10)],
    *[({"opcode": opcode, "rsv1": True}, "RSV1") for opcode in (0, 8, 9, 10)],
    *[({"opcode": 1, "mask": bytes(size)}, "4 bytes") for size in (0, 1, 3, 5, 8)],
]


@pytest.mark.parametrize(("frame", "why"), ILLEGAL)
def test_frames_that_no_peer_may_accept(
    backend: ModuleType, frame: dict[str, Any], why: str
) -> None:
    opcode = frame.pop("opcode") if "opcode" in (frame := dict(frame)) else 1
    with pytest.raises(ValueError, match=why):
        backend.encode_frame(opcode, frame.pop("payload", b""), **frame)


@pytest.mark.parametrize("wrong", [{"opcode": "1"}, {"opcode": None}, {"mask": "mask"}])
def test_wrong_types(backend: ModuleType, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        backend.encode_frame(**{"opcode": 1, **wrong})
