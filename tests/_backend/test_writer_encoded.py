"""Messages that go through a codec, and those that are handed to somebody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support import oracles
from support.numbered import NumberedCodec

TEXT, BINARY = 1, 2


def written(writer: Any) -> list[oracles.WireFrame]:
    return oracles.decode(b"".join(writer.take()))


def divert_to(backend: Any, writer: Any, divert: Any, least: int) -> None:
    """Have messages of *least* bytes and more diverted; `written` has the others."""
    transport, owner = SimpleNamespace(is_closing=lambda: False), SimpleNamespace(divert=divert)
    writer.attach(backend.ReadBuffer(10), transport, owner)
    writer.corked = True
    writer.divert_from = least


@pytest.fixture(params=[False, True], ids=["server", "client"])
def writer(backend: Any, request: pytest.FixtureRequest) -> Any:
    return backend.FrameWriter(masked=request.param)


@pytest.mark.parametrize(
    ("compress", "size", "is_encoded"),
    [(None, 9, False), (None, 10, True), (True, 9, True), (True, 0, True), (False, 10, False)],
)
@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview])
def test_the_threshold_and_the_wish_decide(
    writer: Any, compress: bool | None, size: int, is_encoded: bool, kind: Any
) -> None:
    codec = writer.codec = NumberedCodec(threshold=10)
    message = "x" * size if kind is str else kind(b"x" * size)
    assert writer.message(message, compress=compress) is True
    [frame] = written(writer)
    assert frame.opcode == (TEXT if kind is str else BINARY)
    assert frame.rsv == (4 if is_encoded else 0)
    pieces = NumberedCodec().decode(frame.payload, True, None) if is_encoded else [frame.payload]
    assert b"".join(pieces) == b"x" * size
    assert codec.encoded == is_encoded


def test_the_size_of_text_is_that_of_its_bytes(writer: Any) -> None:
    writer.codec = NumberedCodec(threshold=10)
    writer.message("ß" * 5)
    writer.message("ß" * 4)
    assert [frame.rsv for frame in written(writer)] == [4, 0]


def test_only_messages_are_encoded(writer: Any) -> None:
    writer.codec = NumberedCodec()
    writer.write(9, b"ping")
    writer.write(BINARY, b"fragment", False)
    assert [frame.rsv for frame in written(writer)] == [0, 0]


def test_an_encoder_that_fails_leaves_the_writer_as_it_was(writer: Any) -> None:
    writer.codec = NumberedCodec()
    writer.message(b"a")

    def encode(payload: bytes, fin: bool = True) -> bytes:
        raise ZeroDivisionError

    writer.codec.encode = encode
    with pytest.raises(ZeroDivisionError):
        writer.message(b"b")
    writer.codec = None
    writer.message(b"c")
    first, second = written(writer)
    assert (first.rsv, second.payload) == (4, b"c")


def test_large_messages_are_diverted_before_anything_else(backend: Any, writer: Any) -> None:
    diverted: list[Any] = []

    def divert(opcode: int, payload: Any, compress: bool | None) -> bool:
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        diverted.append((opcode, data, compress))
        return False

    writer.codec = codec = NumberedCodec()
    divert_to(backend, writer, divert, 4)
    assert writer.message("abc") is True
    assert writer.message("abcd") is False
    assert writer.message("ßß", compress=False) is False
    assert writer.message(bytearray(b"12345"), True, True) is False
    assert diverted == [
        (TEXT, b"abcd", None), (TEXT, "ßß".encode(), False), (TEXT, b"12345", True),
    ]  # fmt: skip
    assert (len(written(writer)), codec.encoded) == (1, 1)


def test_while_others_wait_every_message_is_queued(backend: Any, writer: Any) -> None:
    diverted: list[Any] = []

    def divert(opcode: int, payload: Any, compress: bool | None) -> bool:
        diverted.append((opcode, payload, compress))
        return False

    divert_to(backend, writer, divert, 4)
    writer.queueing = True
    assert writer.message(b"") is False
    assert writer.message("a", compress=True) is False
    writer.codec = NumberedCodec()
    large = "\u20ac" * 70_000
    assert writer.message(large) is False
    assert [(opcode, compress) for opcode, _, compress in diverted] == [
        (BINARY, None), (TEXT, True), (TEXT, None),
    ]  # fmt: skip
    writer.write(9, b"control frames are never diverted")
    assert [frame.opcode for frame in written(writer)] == [9]
    writer.codec, writer.queueing = None, False
    assert writer.message("abc") is True
    assert writer.message("abcd") is False


def test_the_tap_comes_before_diverting(backend: Any, writer: Any) -> None:
    log: list[Any] = []
    divert_to(backend, writer, lambda *_: log.append("diverted"), 2)
    writer.tap = log.append
    writer.message("ab")
    assert log == ["ab", "diverted"]


def test_a_refusal_comes_before_diverting(backend: Any, writer: Any) -> None:
    divert_to(backend, writer, lambda *_: True, 0)
    writer.accepting = False
    writer.protocol = SimpleNamespace(refusal=lambda: RuntimeError("closed"))
    with pytest.raises(RuntimeError, match="closed"):
        writer.message(b"x")


@pytest.mark.parametrize("character", ["ß", "€", "\ud7ff", "\ue000", "😀"])
def test_large_text_is_diverted_whatever_it_is_written_with(
    backend: Any, writer: Any, character: str
) -> None:
    diverted: list[str] = []

    def divert(opcode: int, payload: Any, compress: bool | None) -> bool:
        diverted.append(payload if isinstance(payload, str) else bytes(payload).decode())
        return False

    writer.codec = NumberedCodec()
    divert_to(backend, writer, divert, 4)
    text = character * 70_000
    assert writer.message(text) is False
    assert diverted == [text]
    for surrogate in ("\ud800", "\udbff", "\udc00", "\udfff"):
        for place in (0, 1, 35_000, 70_000):
            with pytest.raises(UnicodeEncodeError):
                writer.message(text[:place] + surrogate + text[place:])
    assert len(diverted) == 1


def test_what_the_codec_was_given_makes_it_crowded(writer: Any) -> None:
    """Compressing takes its time, however little comes out of it."""
    writer.codec = NumberedCodec()
    for _ in range(2):
        writer.message(bytes(65535))
        assert not writer.crowded
        writer.message(b"1")
        assert writer.crowded
        writer.crowded = False
    writer.codec = None
    writer.message(bytes(65536))
    assert not writer.crowded
