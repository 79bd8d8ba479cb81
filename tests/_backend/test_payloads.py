"""What is one message: text and buffers of every kind, subclasses among them."""

from __future__ import annotations

import array
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.feeding import KEY
from support.oracles import xor

if TYPE_CHECKING:
    from types import ModuleType

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


# What is one message -----------------------------------------------------------------------------


class Text(str):
    """Says nothing true about itself."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"wrong"

    def __len__(self) -> int:
        return 1


class Data(bytes):
    def __len__(self) -> int:
        return 1

    def __radd__(self, other: Any) -> bytes:
        return b"wrong"


PAYLOADS: dict[str, tuple[Any, bytes]] = {
    "str": (Text("h\xe9llo"), "h\xe9llo".encode()),
    "long str": (Text("x" * 70_000), b"x" * 70_000),
    "bytes": (Data(b"abc"), b"abc"),
    "long bytes": (Data(b"x" * 70_000), b"x" * 70_000),
    "array": (array.array("H", [1, 2]), array.array("H", [1, 2]).tobytes()),
    "empty array": (array.array("H"), b""),
    "items of two bytes": (memoryview(array.array("H", [1])), array.array("H", [1]).tobytes()),
    "two dimensions": (memoryview(bytes(range(6))).cast("B", (2, 3)), bytes(range(6))),
    "signed bytes": (memoryview(b"abc").cast("b"), b"abc"),
}


@pytest.mark.parametrize("masked", [False, True], ids=["server", "client"])
@pytest.mark.parametrize("name", PAYLOADS)
def test_every_buffer_and_text_is_one_message(backend: ModuleType, masked: bool, name: str) -> None:
    payload, expected = PAYLOADS[name]
    opcode = TEXT if isinstance(payload, str) else BINARY
    writer = backend.FrameWriter(masked=masked)
    writer.message(payload)
    writer.write(opcode, payload)
    if len(expected) <= 125:
        writer.write(PING, payload)
    frames = oracles.decode(b"".join(writer.take()))
    assert {frame.payload for frame in frames} == {expected}
    assert [frame.opcode for frame in frames[:2]] == [opcode, opcode]
    if opcode == BINARY:
        frame = backend.encode_frame(BINARY, payload, mask=KEY)
        assert oracles.decode(frame)[0].payload == expected
        assert backend.apply_mask(payload, KEY) == xor(expected, KEY)


def test_a_buffer_with_gaps_is_no_message(backend: ModuleType) -> None:
    gaps = memoryview(b"abcdef")[::2]
    writer = backend.FrameWriter(masked=False)
    for write in (writer.message, partial(writer.write, BINARY), backend.decode_utf8):
        with pytest.raises(BufferError):
            write(gaps)
    assert writer.take() == []


class Sneaky:
    """A buffer whose method writes another message (CPython 3.12 and later)."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def __buffer__(self, flags: int) -> memoryview:
        self.writer.message(b"nested")
        return memoryview(b"outer")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have no __buffer__ before")
@pytest.mark.parametrize("masked", [False, True], ids=["server", "client"])
def test_a_buffer_that_writes_when_it_is_opened(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    writer.message(Sneaky(writer))
    payloads = [frame.payload for frame in oracles.decode(b"".join(writer.take()))]
    assert payloads == [b"nested", b"outer"]
