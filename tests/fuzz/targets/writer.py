"""FrameWriter: what both backends write is what was asked for, by the oracle and by the reader."""

from __future__ import annotations

from typing import Any

from support import oracles

from ..backends import BACKENDS
from ..choices import Choices
from ..seeds import TEXT

_OPCODES = (1, 2, 0, 8, 9, 10, 3, 11)
# Rarely long: the oracle unmasks byte by byte.
_REPEATS = (*(1,) * 12, 0, 2, 31, 300)


def test_one_input(data: bytes) -> None:
    for backend in BACKENDS:
        for masked in (False, True):
            _write(backend, masked, Choices(data))


def _write(backend: Any, masked: bool, choices: Choices) -> None:
    writer = backend.FrameWriter(masked=masked)
    expected: list[oracles.WireFrame] = []
    output = b""
    for _ in range(64):
        if not choices:
            break
        if choices.number() % 4 == 3:
            _write_message(writer, choices, expected)
        else:
            _write_frame(writer, choices, expected)
        assert (len(writer) > 0) >= (len(output) < sum(len(frame.payload) for frame in expected))
        if choices.flag():
            output += _take(writer)
    output += _take(writer)
    assert _take(writer) == b""
    frames = oracles.decode(output)
    assert all((frame.mask is not None) is masked for frame in frames)
    assert [frame._replace(mask=None) for frame in frames] == expected
    # Keys are used once (RFC 6455 5.3); two alike among these few would be a sign of reuse.
    keys = [frame.mask for frame in frames if frame.mask is not None]
    assert len(keys) - len(set(keys)) <= 1, "masking keys are repeated"


def _write_message(writer: Any, choices: Choices, expected: list[oracles.WireFrame]) -> None:
    payload, as_text = choices.text() * choices.pick(_REPEATS), choices.pick((None, True, False))
    try:
        message: Any = payload.decode() if choices.flag() else bytearray(payload)
    except UnicodeDecodeError:
        message = memoryview(payload)
    assert writer.message(message, as_text) is True
    is_text = isinstance(message, str) if as_text is None else as_text
    expected.append(oracles.WireFrame(1 if is_text else 2, payload))


def _write_frame(writer: Any, choices: Choices, expected: list[oracles.WireFrame]) -> None:
    opcode, fin, rsv1 = choices.pick(_OPCODES), not choices.flag(), choices.flag()
    payload = choices.text() * choices.pick(_REPEATS)
    legal = opcode in (0, 1, 2) or (opcode < 11 and opcode > 7 and fin and len(payload) <= 125)
    legal = legal and (opcode in (1, 2) or not rsv1)
    before = len(writer)
    try:
        writer.write(opcode, payload, fin, rsv1)
    except ValueError:
        assert not legal
        assert len(writer) == before, "what was refused has left something behind"
    else:
        assert legal
        expected.append(oracles.WireFrame(opcode, payload, fin, 4 if rsv1 else 0))


def _take(writer: Any) -> bytes:
    output = b"".join(writer.take())
    assert len(writer) == 0
    return output


def seeds() -> list[bytes]:
    text = bytes((len(TEXT),)) + TEXT
    return [
        bytes((3,)) + text + bytes((0, 0, 1, 1)) + bytes((3,)) + text + bytes((15, 1, 0, 0)),
        bytes((0, 0, 1, 0)) + text + bytes((0, 0, 0, 2, 0, 0)) + text + bytes((14, 1)),
        bytes((0, 4, 0, 0)) + text + bytes((0, 1, 0, 3, 0, 0, 2, 3, 232, 0, 1)),
        b"",
    ]
