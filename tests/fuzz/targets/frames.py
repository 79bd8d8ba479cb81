"""Single frames: masking, headers and `encode_frame` of both backends against the slow oracle."""

from __future__ import annotations

from typing import Any

from support import oracles

from wscore import ProtocolError

from ..backends import BACKENDS
from ..choices import Choices
from ..seeds import streams


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    offset, key = choices.number(), choices.take(4).ljust(4, b"\0")
    opcode, flags = choices.number(), choices.number()
    rest = choices.rest()
    header, masked = _oracle_header(rest), oracles.xor(rest, key, offset)
    frame = _oracle_frame(opcode & 15, rest, flags, key)
    for backend in BACKENDS:
        assert _header(backend, rest) == header
        assert backend.apply_mask(rest, key, offset) == masked
        buffer = bytearray(b"<" + rest + b">")
        backend.apply_mask_inplace(memoryview(buffer)[1:-1], key, offset)
        assert buffer == b"<" + masked + b">"
        assert _encoded(backend, opcode & 15, rest, flags, key) == frame


def _oracle_header(data: bytes) -> Any:
    try:
        return oracles.decode_header(data)
    except oracles.Violation:
        return ProtocolError


def _header(backend: Any, data: bytes) -> Any:
    try:
        # What stands before it does not matter.
        assert backend.parse_header(b"\xff" * 3 + data, 3) == backend.parse_header(data)
        return backend.parse_header(data)
    except ProtocolError:
        return ProtocolError


def _oracle_frame(opcode: int, payload: bytes, flags: int, key: bytes) -> Any:
    """The frame, or ValueError where RFC 6455 5.2, 5.4 or 5.5 forbids to send it."""
    fin, rsv1, mask = flags & 1 == 0, flags & 2 == 2, key if flags & 4 else None
    control = opcode >= 8
    if opcode not in (0, 1, 2, 8, 9, 10) or (control and (not fin or len(payload) > 125)):
        return ValueError
    if rsv1 and opcode not in (1, 2):
        return ValueError
    return oracles.encode(oracles.WireFrame(opcode, payload, fin, 4 if rsv1 else 0, mask))


def _encoded(backend: Any, opcode: int, payload: bytes, flags: int, key: bytes) -> Any:
    try:
        return backend.encode_frame(
            opcode,
            payload,
            fin=flags & 1 == 0,
            rsv1=flags & 2 == 2,
            mask=key if flags & 4 else None,
        )
    except ValueError:
        return ValueError


def seeds() -> list[bytes]:
    heads = [
        oracles.encode_header(opcode, length, mask=mask, extended=extended)
        for opcode, length, extended in ((1, 5, 0), (2, 126, 2), (2, 65536, 8), (9, 5, 2))
        for mask in (None, b"abcd")
    ]
    found = [stream.data[:300] for stream in streams()]
    return [bytes((3, 1, 2, 3, 4, 1, flags)) + head for head in heads + found for flags in (0, 4)]
