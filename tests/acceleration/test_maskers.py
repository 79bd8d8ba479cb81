"""Maskers that keep their position: autobahn's and wsaccel's, with and without wscore."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import autobahn.websocket.xormasker
import pytest
import wsaccel.xormask
from hypothesis import given
from hypothesis import strategies as st
from support.drop_in import BUFFERS, KEY, KEYS, NO_BUFFERS, assert_drop_in, name

from wscore.acceleration.autobahn import FrameMasker
from wscore.acceleration.wsaccel import XorMaskerNull, XorMaskerSimple, createXorMasker

PAIRS = [
    (autobahn.websocket.xormasker.create_xor_masker, FrameMasker),
    (wsaccel.xormask.XorMaskerSimple, XorMaskerSimple),
    (wsaccel.xormask.createXorMasker, createXorMasker),
]
pairs = pytest.mark.parametrize(("own", "new"), PAIRS, ids=["autobahn", "wsaccel", "create"])


@pairs
@given(
    st.lists(st.binary(max_size=70) | st.none()),
    st.binary(min_size=4, max_size=4),
)
def test_position_pointer_and_reset(
    own: Callable[..., Any], new: Callable[..., Any], pieces: list[bytes | None], key: bytes
) -> None:
    theirs, ours = own(key), new(key)
    for piece in pieces:
        if piece is None:
            assert theirs.reset() is ours.reset() is None
        else:
            assert ours.process(piece) == theirs.process(piece)
        assert ours.pointer() == theirs.pointer()


@pairs
@pytest.mark.parametrize("data", [*BUFFERS, "Hello", [72, 101], 5], ids=name)
def test_takes_the_same_data(own: Callable[..., Any], new: Callable[..., Any], data: Any) -> None:
    assert_drop_in(own(KEY).process, new(KEY).process, data)


@pairs
def test_takes_the_same_masks(own: Callable[..., Any], new: Callable[..., Any]) -> None:
    # None: to wsaccel an empty buffer, an accident of Cython.
    keys = (key for key in KEYS if key is not None)
    for mask in (*keys, array.array("B", KEY), [1, 2, 3, 4], (1, 2, 3)):
        assert_drop_in(lambda m: own(m).process(b"Hello"), lambda m: new(m).process(b"Hello"), mask)


def test_items_wider_than_a_byte_are_refused() -> None:
    with pytest.raises(ValueError, match="items of one byte"):
        XorMaskerSimple(array.array("H", [1, 2]))


def test_optional_arguments() -> None:
    assert createXorMasker(mask=KEY, len=5).process(b"Hello") == b"\x7f\x9f\x4d\x51\x58"
    assert FrameMasker(KEY, 5).process(b"Hello") == b"\x7f\x9f\x4d\x51\x58"


def test_the_masker_that_masks_nothing() -> None:
    for masker in (wsaccel.xormask.XorMaskerNull(), XorMaskerNull(), XorMaskerNull(KEY)):
        for data in BUFFERS:
            assert masker.process(data) is data
        assert masker.pointer() == sum(len(data) for data in BUFFERS)
        masker.reset()
        assert masker.pointer() == 0
    for data in NO_BUFFERS[2:]:
        assert_drop_in(wsaccel.xormask.XorMaskerNull().process, XorMaskerNull().process, data)
