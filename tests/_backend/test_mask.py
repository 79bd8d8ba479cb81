"""Masking (RFC 6455 5.3) on every kernel, at every length, alignment and offset."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.oracles import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

KEY = bytes.fromhex("37fa213d")
SHORT = range(301)
ALIGNMENTS = range(64)
POWERS = [1 << n for n in range(8, 21)]
# Around each power of two, which is where loops change: by one, and by a word.
LONG = [power + delta for power in POWERS for delta in (-8, -1, 0, 1, 8)]
SOURCE = random.Random(6455).randbytes(MIB + 256)
# SOURCE masked byte by byte, with the key turned by 0 to 3: every expected value is a slice.
MASKED = [oracles.xor(SOURCE, KEY, turn) for turn in range(4)]
SOME_OFFSETS = [*range(8), 125, 65535, 2**31 + 1, 2**32 + 2, 2**62 + 3, 2**63 - 1]


def expected(start: int, size: int, offset: int = 0) -> bytes:
    return MASKED[(offset - start) % 4][start : start + size]


def assert_masks_in_place(kernel: ModuleType, start: int, size: int, offset: int = 0) -> None:
    """Mask the middle of a buffer; what stands around it must stay."""
    source = SOURCE[: start + size + 64]
    buffer = bytearray(source)
    kernel.apply_mask_inplace(memoryview(buffer)[start : start + size], KEY, offset)
    assert buffer[start : start + size] == expected(start, size, offset), (start, size, offset)
    assert buffer[:start] == source[:start], (start, size)
    assert buffer[start + size :] == source[start + size :], (start, size)


def test_the_example_of_rfc_6455(kernel: ModuleType) -> None:
    assert kernel.apply_mask(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")
    assert oracles.xor(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")


def test_short_copies_at_every_alignment(kernel: ModuleType) -> None:
    view = memoryview(SOURCE)
    for start in ALIGNMENTS:
        for size in SHORT:
            masked = kernel.apply_mask(view[start : start + size], KEY)
            assert masked == expected(start, size), (start, size)
            assert type(masked) is bytes


def test_short_in_place_at_every_alignment(kernel: ModuleType) -> None:
    for start in ALIGNMENTS:
        for size in SHORT:
            assert_masks_in_place(kernel, start, size)


@pytest.mark.parametrize("size", LONG)
def test_around_powers_of_two(kernel: ModuleType, size: int) -> None:
    view = memoryview(SOURCE)
    alignments = ALIGNMENTS if size <= 4104 else (0, 1, 7, 8, 16, 31, 33, 63)
    for start in alignments:
        assert kernel.apply_mask(view[start : start + size], KEY) == expected(start, size), start
        assert_masks_in_place(kernel, start, size)


def test_every_offset_turns_the_key(kernel: ModuleType) -> None:
    view = memoryview(SOURCE)
    for size in [*range(140), 4099, 65537]:
        for offset in SOME_OFFSETS:
            masked = kernel.apply_mask(view[3 : 3 + size], KEY, offset)
            assert masked == expected(3, size, offset), (size, offset)
            assert_masks_in_place(kernel, 3, size, offset)


def test_every_key_byte_counts(kernel: ModuleType) -> None:
    rng = random.Random(1)
    for size in (1, 2, 3, 4, 5, 7, 8, 15, 16, 63, 64, 65, 200, 3000):
        data, key = rng.randbytes(size), rng.randbytes(4)
        assert kernel.apply_mask(data, key) == oracles.xor(data, key)
    for key in (bytes(4), b"\xff" * 4, b"\0\0\0\1", b"\x80\0\0\0"):
        assert kernel.apply_mask(SOURCE[:100], key) == oracles.xor(SOURCE[:100], key)


def test_pieces_with_offsets_make_the_whole(kernel: ModuleType) -> None:
    for cut in range(130):
        head = kernel.apply_mask(SOURCE[:cut], KEY)
        assert head + kernel.apply_mask(SOURCE[cut:200], KEY, cut) == expected(0, 200)


def test_masking_twice_gives_the_original(kernel: ModuleType) -> None:
    buffer = bytearray(SOURCE[:5000])
    kernel.apply_mask_inplace(buffer, KEY)
    assert buffer == expected(0, 5000)
    kernel.apply_mask_inplace(buffer, KEY)
    assert buffer == SOURCE[:5000]


def test_the_source_is_left_alone(kernel: ModuleType) -> None:
    source = bytearray(SOURCE[:1000])
    kernel.apply_mask(source, KEY)
    assert source == SOURCE[:1000]


@pytest.mark.parametrize(
    "wrap",
    [bytes, bytearray, memoryview, lambda data: array("I", data), lambda data: array("d", data)],
    ids=["bytes", "bytearray", "memoryview", "array of int", "array of float"],
)
@pytest.mark.parametrize("size", [0, 8, 1024, MIB])
def test_any_contiguous_buffer(
    backend: ModuleType, wrap: Callable[[bytes], Any], size: int
) -> None:
    assert backend.apply_mask(wrap(SOURCE[:size]), KEY) == expected(0, size)
    target = wrap(SOURCE[:size])
    if not memoryview(target).readonly:
        backend.apply_mask_inplace(target, KEY)
        assert bytes(target) == expected(0, size)


@pytest.mark.parametrize("mask", [bytearray(KEY), memoryview(KEY), array("I", KEY)])
def test_any_contiguous_mask(backend: ModuleType, mask: Any) -> None:
    for offset in range(4):
        assert backend.apply_mask(SOURCE[:50], mask, offset) == expected(0, 50, offset)


def test_two_dimensions(backend: ModuleType) -> None:
    buffer = bytearray(SOURCE[:96])
    table = memoryview(buffer).cast("B", (8, 12))
    assert backend.apply_mask(table, KEY) == expected(0, 96)
    backend.apply_mask_inplace(table, KEY)
    assert buffer == expected(0, 96)


def test_a_mask_may_lie_in_the_buffer_it_masks(backend: ModuleType) -> None:
    buffer = bytearray(KEY + SOURCE[:60])
    backend.apply_mask_inplace(buffer, memoryview(buffer)[:4])
    assert buffer == oracles.xor(KEY + SOURCE[:60], KEY)


WRONG: list[tuple[type[Exception], Any, Any, Any]] = [
    (TypeError, "text", KEY, 0),
    (TypeError, None, KEY, 0),
    (TypeError, 5, KEY, 0),
    (TypeError, [1, 2], KEY, 0),
    (TypeError, bytearray(8), "mask", 0),
    (TypeError, bytearray(8), None, 0),
    (TypeError, bytearray(8), KEY, "0"),
    (TypeError, bytearray(8), KEY, None),
    (TypeError, bytearray(8), KEY, 1.0),
    (TypeError, bytearray(8), KEY, 0.0),
    (ValueError, bytearray(8), b"", 0),
    (ValueError, bytearray(8), KEY[:3], 0),
    (ValueError, bytearray(8), KEY + b"x", 0),
    (ValueError, bytearray(8), bytearray(KEY[:3]), 1),
    (ValueError, bytearray(8), KEY, -1),
    (ValueError, bytearray(0), KEY, -(2**62)),
    (OverflowError, bytearray(8), KEY, 2**63),
    (BufferError, memoryview(bytearray(16))[::2], KEY, 0),
    (BufferError, memoryview(bytearray(16))[::-1], KEY, 0),
    (BufferError, bytearray(8), memoryview(KEY * 2)[::2], 0),
]


@pytest.mark.parametrize(("error", "data", "mask", "offset"), WRONG)
def test_wrong_arguments(
    backend: ModuleType, error: type[Exception], data: Any, mask: Any, offset: Any
) -> None:
    with pytest.raises(error):
        backend.apply_mask(data, mask, offset)
    with pytest.raises(error):
        backend.apply_mask_inplace(data, mask, offset)
    if isinstance(data, bytearray):
        with pytest.raises(error):
            backend.apply_mask(bytes(data), mask, offset)
        assert not any(data), "a refused buffer is not touched"


@pytest.mark.parametrize("size", [0, 8, MIB])
def test_read_only_buffers_are_not_masked_in_place(backend: ModuleType, size: int) -> None:
    data = bytes(size)
    for target in (data, memoryview(data), memoryview(bytearray(data)).toreadonly()):
        with pytest.raises(BufferError):
            backend.apply_mask_inplace(target, KEY)
    assert not any(data)


@pytest.mark.cpython
@pytest.mark.parametrize("size", [8, MIB])
def test_nothing_is_held_afterwards(backend: ModuleType, size: int) -> None:
    buffer = bytearray(size)
    backend.apply_mask(buffer, KEY)
    backend.apply_mask_inplace(buffer, KEY)
    for bad in (KEY[:3], "mask"):
        with pytest.raises((ValueError, TypeError)):
            backend.apply_mask_inplace(buffer, bad)
        with pytest.raises((ValueError, TypeError)):
            backend.apply_mask(buffer, bad)
    buffer.append(0)  # BufferError while anything still holds it
    key = bytearray(KEY)
    backend.apply_mask(b"data", key, 1)
    key.append(0)
