"""Frames that an extension encoded: assembled, bounded, and their text checked."""

from __future__ import annotations

from typing import Any

import pytest
from support.numbered import PIECE, NumberedCodec

from wscore import Frame, Opcode, PayloadTooBig, ProtocolError
from wscore.protocol.decoding import MessageDecoder

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


def frames(opcode: Opcode, *fragments: bytes) -> list[Frame]:
    codec = NumberedCodec()
    last = len(fragments) - 1
    return [
        Frame(CONT if index else opcode, codec.encode(data), index == last, not index)
        for index, data in enumerate(fragments)
    ]


def decoded(sent: list[Frame], max_size: int | None = None, **options: Any) -> list[Any]:
    decoder = MessageDecoder(NumberedCodec(), max_size)
    return [decoder.decode(frame, **options) for frame in sent]


@pytest.mark.parametrize(
    ("opcode", "fragments", "message"),
    [
        (BINARY, [b""], b""),
        (BINARY, [b"abc"], b"abc"),
        (BINARY, [b"ab", b"", b"c"], b"abc"),
        (BINARY, [b"x" * (3 * PIECE + 1)], b"x" * (3 * PIECE + 1)),
        (TEXT, [b""], ""),
        (TEXT, ["äß€".encode()], "äß€"),
        (TEXT, [b"\xe2", b"\x82", b"\xac"], "€"),
    ],
)
def test_messages_are_assembled(opcode: Opcode, fragments: list[bytes], message: Any) -> None:
    assert decoded(frames(opcode, *fragments)) == [*[None] * (len(fragments) - 1), message]


def test_a_decoder_takes_one_message_after_another() -> None:
    codec, decoder = NumberedCodec(), MessageDecoder(NumberedCodec(), 4)
    for index in range(5):
        text = f"{index}abc"
        assert decoder.decode(Frame(TEXT, codec.encode(text.encode()), True, True)) == text


def test_what_is_not_encoded_passes() -> None:
    plain = Frame(BINARY, b"abc")
    assert decoded([plain]) == [plain]
    begun, rest = Frame(BINARY, b"a", False), Frame(CONT, b"b")
    assert decoded([begun, rest]) == [begun, rest]


def test_parts_are_passed_on_when_they_are_wanted() -> None:
    sent = frames(TEXT, b"\xe2", b"\x82\xac")
    assert decoded(sent, whole=False) == [Frame(TEXT, b"\xe2", False), Frame(CONT, b"\x82\xac")]


def test_whether_a_message_is_assembled_is_settled_when_it_begins() -> None:
    first, second = frames(BINARY, b"a", b"b")
    decoder = MessageDecoder(NumberedCodec(), None)
    assert decoder.decode(first, whole=True) is None
    assert decoder.decode(second, whole=False) == b"ab"


@pytest.mark.parametrize("fragments", [[b"a\xff"], [b"a\xff", b""], [b"\xe2\x82"], [b"a", b"\xe2"]])
def test_text_has_to_be_utf8(fragments: list[bytes]) -> None:
    with pytest.raises(ProtocolError) as caught:
        decoded(frames(TEXT, *fragments))
    assert caught.value.code == 1007


def test_bad_text_fails_inside_an_unfinished_message() -> None:
    first, _ = frames(TEXT, b"a\xff", b"")
    with pytest.raises(ProtocolError):
        decoded([first])


@pytest.mark.parametrize("fragments", [[b"abcde"], [b"abcd", b"e"], [b"", b"abc", b"de"]])
def test_messages_are_bounded_as_they_are_decoded(fragments: list[bytes]) -> None:
    assert decoded(frames(BINARY, *fragments), 5)[-1] == b"abcde"
    with pytest.raises(PayloadTooBig):
        decoded(frames(BINARY, *fragments), 4)


def test_work_can_be_done_in_steps() -> None:
    [frame] = frames(BINARY, b"x" * (5 * PIECE))
    decoder = MessageDecoder(NumberedCodec(), None)
    decoder.begin(frame)
    steps = 1
    while not decoder.work(PIECE):
        steps += 1
    assert steps == 6  # five pieces, and finding that there are no more
    assert decoder.finish() == b"x" * (5 * PIECE)
