"""Threads that mask at once, and what another thread may do to a buffer meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import pytest
from support import oracles
from support.oracles import MIB

if TYPE_CHECKING:
    from types import ModuleType

KEY = bytes.fromhex("37fa213d")
# Below this size the compiled backend keeps the GIL, from it on it lets other threads run.
RELEASE_GIL_FROM = MIB
SIZES = [1000, RELEASE_GIL_FROM - 1, RELEASE_GIL_FROM, RELEASE_GIL_FROM + 63]
THREADS = 4


@cache
def pair(size: int) -> tuple[bytes, bytes]:
    data = Random(size).randbytes(size)
    return data, oracles.xor(data, KEY)


@pytest.mark.parametrize("size", SIZES)
def test_threads_mask_one_source(backend: ModuleType, size: int) -> None:
    data, masked = pair(size)
    rounds = 50 if size < MIB // 2 else 10

    def work(_: int) -> bool:
        return all(backend.apply_mask(data, KEY) == masked for _ in range(rounds))

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))


@pytest.mark.parametrize("size", SIZES)
def test_threads_mask_their_own_buffers_in_place(backend: ModuleType, size: int) -> None:
    data, masked = pair(size)

    def work(_: int) -> bool:
        buffer = bytearray(data)
        for _ in range(5):
            backend.apply_mask_inplace(buffer, KEY)
            if buffer != masked:
                return False
            backend.apply_mask_inplace(buffer, KEY)
        return buffer == data

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))


@pytest.mark.parametrize("size", SIZES)
def test_threads_check_and_decode_text(backend: ModuleType, size: int) -> None:
    data = "\u20ac".encode() * (size // 3)
    text = data.decode()

    def work(_: int) -> bool:
        return all(
            backend.is_utf8(data)
            and not backend.is_utf8(data[:-1])
            and backend.decode_utf8(data) == text
            for _ in range(5)
        )

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(THREADS)))


def test_a_buffer_cannot_be_resized_while_it_is_masked(backend: ModuleType) -> None:
    """Another thread gets BufferError, which also shows that it runs meanwhile."""
    original = bytes(range(256)) * (32 * MIB // 256)
    buffer = bytearray(original)
    stop = threading.Event()
    rounds = 0

    def mask() -> None:
        nonlocal rounds
        while not stop.is_set():
            backend.apply_mask_inplace(buffer, KEY)
            backend.apply_mask_inplace(buffer, KEY)
            rounds += 1

    masking = threading.Thread(target=mask)
    masking.start()
    refused = False
    deadline = time.monotonic() + 20
    try:
        while not refused and time.monotonic() < deadline:
            try:
                buffer.append(0)
                del buffer[len(original) :]
            except BufferError:
                refused = True
            time.sleep(0.0005)
    finally:
        stop.set()
        masking.join()
    assert refused, f"never seen at work in {rounds} rounds"
    assert buffer[: len(original)] == original


def test_a_small_buffer_is_masked_in_one_step(compiled: ModuleType) -> None:
    """Below the limit it is not held, so other threads must not run before it is done."""
    small = bytearray(RELEASE_GIL_FROM - 1)
    stop = threading.Event()

    def mask() -> None:
        while not stop.is_set():
            compiled.apply_mask_inplace(small, KEY)

    masking = threading.Thread(target=mask)
    masking.start()
    try:
        for _ in range(300):
            small.append(0)  # BufferError, or worse, were it being masked
            small.pop()
            time.sleep(0.0001)
    finally:
        stop.set()
        masking.join()
