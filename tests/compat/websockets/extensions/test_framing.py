"""Frames one by one, where the kernels cannot read or write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from wscore import Close, PayloadTooBig, ProtocolError
from wscore import Frame as EngineFrame
from wscore.compat.websockets.extensions import Extension
from wscore.compat.websockets.extensions.framing import FrameReader
from wscore.compat.websockets.frames import Frame


def reader(
    *,
    max_message: int | None = None,
    max_fragment: int | None = None,
    extensions: Sequence[Extension] = (),
) -> FrameReader:
    return FrameReader(
        masked=False, max_message=max_message, max_fragment=max_fragment, extensions=extensions
    )


MESSAGES = (
    b"\x81\x02hi\x01\x01a\x89\x00\x80\x01b\x82\x7e\x00\x80" + bytes(128) + b"\x88\x02\x03\xe8"
)
EVENTS = [
    EngineFrame(1, b"hi"),  # type: ignore[arg-type]
    EngineFrame(1, b"a", fin=False),  # type: ignore[arg-type]
    EngineFrame(9, b""),  # type: ignore[arg-type]
    EngineFrame(0, b"b"),  # type: ignore[arg-type]
    EngineFrame(2, bytes(128)),  # type: ignore[arg-type]
    Close(1000),
]


def test_whole_and_byte_by_byte() -> None:
    assert reader().feed(MESSAGES) == EVENTS
    piecewise = reader()
    found: list[Any] = []
    for byte in MESSAGES:
        found += piecewise.feed(bytes([byte]))
    assert found == EVENTS


def test_nothing_comes_after_a_close() -> None:
    assert reader().feed(b"\x88\x00\x81\x02hi") == [Close()]


@pytest.mark.parametrize("data", [b"\x80\x00", b"\x01\x00\x01\x00", b"\x81\x80abcd", b"\x88\x01x"])
def test_violations_come_last(data: bytes) -> None:
    assert isinstance(reader().feed(data)[-1], ProtocolError)


@pytest.mark.parametrize(
    ("limits", "data", "size"),
    [
        ({"max_fragment": 3}, b"\x81\x04four", 0),
        ({"max_fragment": 3, "max_message": 5}, b"\x01\x03abc\x80\x03def", 1),
        ({"max_message": 5}, b"\x01\x03abc\x80\x03def", 1),
    ],
)
def test_limits(limits: dict[str, int], data: bytes, size: int) -> None:
    *before, last = reader(**limits).feed(data)
    assert len(before) == size
    assert isinstance(last, PayloadTooBig)


def test_a_limit_counts_one_message() -> None:
    assert len(reader(max_message=3).feed(b"\x81\x03abc" * 3)) == 3


class Failing(Extension):
    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        raise KeyError("secret")


def test_an_extension_that_fails() -> None:
    [event] = reader(extensions=[Failing()]).feed(b"\x81\x00")
    assert isinstance(event, ProtocolError)
    assert event.code == 1011
    assert isinstance(event.__cause__, KeyError)
    assert "secret" not in str(event)
