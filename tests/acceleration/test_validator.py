"""The incremental UTF-8 validator, held against wsaccel's: answers, indices, state."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drop_in import BUFFERS, NO_BUFFERS, assert_drop_in, name
from wsaccel.utf8validator import Utf8Validator as OwnValidator

from wscore.acceleration.validator import Utf8Validator

# Bytes at which the automaton turns.
EDGES = bytes.fromhex("41 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")
TEXT = "Zürich, 東京, 🜚 and plain ASCII after that, long enough for a vector. ".encode() * 3


def assert_equal(pieces: list[bytes]) -> None:
    own, new = OwnValidator(), Utf8Validator()
    for piece in pieces:
        assert new.validate(piece) == own.validate(piece), pieces
        assert (new.state, new.i) == (own.state, own.i)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_edges(size: int) -> None:
    for edges in product(EDGES, repeat=size):
        assert_equal([bytes(edges)])


@pytest.mark.parametrize("lead", [0xE0, 0xED, 0xF0, 0xF1, 0xF4])
def test_all_edges_after_a_long_lead(lead: int) -> None:
    for edges in product(EDGES, repeat=3):
        assert_equal([bytes((lead, *edges))])


def test_text_cut_in_two_anywhere() -> None:
    for cut in range(len(TEXT)):
        assert_equal([TEXT[:cut], TEXT[cut:]])


def test_text_byte_by_byte() -> None:
    assert_equal([TEXT[at : at + 1] for at in range(len(TEXT))])


@pytest.mark.parametrize("bad", [0xFF, 0x80, 0xC0, 0xED, 0xF4])
def test_a_wrong_byte_anywhere(bad: int) -> None:
    for at in range(len(TEXT)):
        spoilt = bytearray(TEXT)
        spoilt[at] = bad
        assert_equal([bytes(spoilt), b"more", b""])


pieces = st.lists(
    st.binary(max_size=8)
    | st.text(max_size=40).map(str.encode)
    | st.lists(st.sampled_from(EDGES), max_size=6).map(bytes)
)


@given(pieces)
def test_anything(pieces: list[bytes]) -> None:
    assert_equal(pieces)


@given(pieces)
def test_decode(pieces: list[bytes]) -> None:
    own, new = OwnValidator(), Utf8Validator()
    for byte in b"".join(pieces):
        assert new.decode(byte) == own.decode(byte)
        if not own.state:
            assert new.codepoint == own.codepoint
    assert new.validate(b"a") == own.validate(b"a")


def test_decode_builds_code_points() -> None:
    validator, found = Utf8Validator(), []
    for byte in TEXT:
        if validator.decode(byte) == Utf8Validator.UTF8_ACCEPT:
            found.append(chr(validator.codepoint))
    assert "".join(found) == TEXT.decode()


def test_reset_forgets_a_failure() -> None:
    validator = Utf8Validator()
    assert validator.validate(b"a\xff") == (False, False, 1, 1)
    validator.reset()
    assert validator.validate(b"a") == (True, True, 1, 1)


@pytest.mark.parametrize("data", BUFFERS + NO_BUFFERS, ids=name)
def test_takes_what_wsaccel_takes(data: object) -> None:
    assert_drop_in(OwnValidator().validate, Utf8Validator().validate, data)
