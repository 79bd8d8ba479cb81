"""The verdicts that both backends share: which frames are illegal, and what that is called."""

from __future__ import annotations

from asyncio.transports import _FlowControlMixin

import pytest
from support import oracles

from wscore import PayloadTooBig, ProtocolError
from wscore._backend import rules


def test_header_violation_for_every_start() -> None:
    for start in range(1 << 16):
        first, second = divmod(start, 256)
        violation = rules.header_violation(first, second)
        try:
            # A length that is complete and shortest, so that only the start can be wrong.
            oracles.decode_header(bytes([first, second]) + b"\1" * 12)
        except oracles.Violation:
            assert isinstance(violation, ProtocolError), start
            assert violation.code == 1002
        else:
            assert violation is None, start


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [(0x83, 0, "reserved opcode 0x3"), (0x0F, 0x80, "reserved opcode 0xf"),
     (0x09, 0, "fragmented control frame"), (0x08, 127, "fragmented control frame"),
     (0x89, 126, "control frame of more than 125 bytes"),
     (0x8A, 0xFF, "control frame of more than 125 bytes")],
)  # fmt: skip
def test_header_violations_in_words(first: int, second: int, words: str) -> None:
    assert str(rules.header_violation(first, second)) == words
    in_context = rules.context_violation(first, second, True, False, True)
    assert str(in_context) == words, "what is wrong anywhere is said first"


@pytest.mark.parametrize(
    ("start", "masked", "deflate", "in_message", "words"),
    [
        ((0x81, 0x00), True, False, False, "unmasked frame from a client"),
        ((0x81, 0x80), False, False, False, "masked frame from a server"),
        ((0xA1, 0x80), True, True, False, "RSV2 or RSV3 set without an extension that defines it"),
        ((0x91, 0x80), True, True, False, "RSV2 or RSV3 set without an extension that defines it"),
        ((0xC1, 0x80), True, False, False, "RSV1 set without an extension that defines it"),
        ((0xC9, 0x80), True, True, False, "RSV1 set on a control or continuation frame"),
        ((0xC0, 0x80), True, True, True, "RSV1 set on a control or continuation frame"),
        ((0x81, 0x80), True, False, True, "new data frame inside a fragmented message"),
        ((0x82, 0x00), False, False, True, "new data frame inside a fragmented message"),
        ((0x80, 0x80), True, False, False, "continuation frame without a message to continue"),
    ],
)
def test_context_violations(
    start: tuple[int, int], masked: bool, deflate: bool, in_message: bool, words: str
) -> None:
    violation = rules.context_violation(*start, masked, deflate, in_message)
    assert isinstance(violation, ProtocolError)
    assert (str(violation), violation.code) == (words, 1002)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "payload length not in its shortest form"),
        (65535, "payload length not in its shortest form"),
        (2**63, "payload length with its top bit set"),
        (2**64 - 1, "payload length with its top bit set"),
    ],
)
def test_length_violations(length: int, words: str) -> None:
    violation = rules.length_violation(length)
    assert (str(violation), violation.code) == (words, 1002)


def test_violations_of_limits() -> None:
    too_big = rules.message_too_big(1024)
    assert type(too_big) is PayloadTooBig
    assert (str(too_big), too_big.code) == ("message of more than 1024 bytes", 1009)
    too_many = rules.too_many_fragments(7)
    assert type(too_many) is ProtocolError
    assert (str(too_many), too_many.code) == ("message of more than 7 fragments", 1008)


def test_other_violations() -> None:
    assert rules.invalid_text().code == 1007
    assert str(rules.invalid_text()) == "text message is not UTF-8"
    assert rules.used_after_failure().code == 1002
    assert "must be discarded" in str(rules.used_after_failure())


def test_check_encodable_is_the_mirror_of_header_violation() -> None:
    """Whatever it lets pass, a strict peer takes; whatever it refuses, a strict peer refuses."""
    for opcode in range(16):
        for length in (0, 125, 126, 65536):
            for fin in (True, False):
                for rsv1 in (True, False):
                    first = (0x80 if fin else 0) | opcode
                    legal = rules.header_violation(first, min(length, 126)) is None
                    legal = legal and (not rsv1 or opcode in (1, 2))
                    if legal:
                        rules.check_encodable(opcode, length, fin, rsv1)
                    else:
                        with pytest.raises(ValueError, match=r"reserved|control|RSV1"):
                            rules.check_encodable(opcode, length, fin, rsv1)


@pytest.mark.parametrize("opcode", [-1, 16, 0x81, 256])
def test_check_encodable_outside_four_bits(opcode: int) -> None:
    with pytest.raises(ValueError, match="reserved opcode"):
        rules.check_encodable(opcode, 0, True, False)


@pytest.mark.parametrize(
    ("given", "marks"),
    [
        ((None, None), (65536, 16384)),
        ((100, None), (100, 25)),
        ((None, 100), (400, 100)),
        ((100, 100), (100, 100)),
        ((0, 0), (0, 0)),
        ((0, None), (0, 0)),
    ],
)
def test_marks_of_writing_are_those_of_asyncio(
    given: tuple[int | None, int | None], marks: tuple[int, int]
) -> None:
    mixin = _FlowControlMixin(loop=object())
    mixin._set_write_buffer_limits(*given)
    assert rules.write_marks(*given) == (mixin._high_water, mixin._low_water) == marks


@pytest.mark.parametrize("given", [(1, 2), (-1, None), (None, -1), (5, -5)])
def test_marks_of_writing_that_are_none(given: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match=r"high .* must be >= low"):
        rules.write_marks(*given)
