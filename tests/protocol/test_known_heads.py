"""Heads that differ in nothing but their key are kept once."""

from __future__ import annotations

import gc
import os
import sys

import pytest

from wscore.protocol.known_heads import KnownHeads


def head_of(key: bytes, name: bytes = b"a") -> bytes:
    return b"GET /%b HTTP/1.1\r\nSec-WebSocket-Key: %b\r\nHost: b\r\n\r\n" % (name, key)


def test_the_second_of_a_kind_is_known() -> None:
    heads = KnownHeads()
    assert heads.find(head_of(b"1" * 24), b"1" * 24) is None
    second = heads.find(head_of(b"2" * 24), b"2" * 24)
    third = heads.find(head_of(b"3" * 24), b"3" * 24)
    assert second is third is not None
    assert second.with_key(b"2" * 24) == head_of(b"2" * 24)
    assert second.with_key(b"3" * 24) == head_of(b"3" * 24)


def test_the_place_of_the_key_counts() -> None:
    """What remains without it may be the same."""
    heads = KnownHeads()
    assert heads.find(b"x: k\r\nx: \r\n", b"k") is None
    assert heads.find(b"x: \r\nx: k\r\n", b"k") is None
    found = heads.find(b"x: \r\nx: q\r\n", b"q")
    assert found is not None
    assert found.with_key(b"q") == b"x: \r\nx: q\r\n"


def test_a_key_that_stands_elsewhere_as_well() -> None:
    heads = KnownHeads()
    for key in (b"a" * 24, b"b" * 24):
        head = head_of(key, key)
        found = heads.find(head, key)
        assert found is None or found.with_key(key) == head


@pytest.mark.cpython
def test_memory_is_bounded() -> None:
    heads = KnownHeads()
    for _ in range(1000):
        key = os.urandom(12).hex().encode()
        heads.find(head_of(key, os.urandom(500).hex().encode()), key)
    gc.collect()
    assert sum(sys.getsizeof(rest) for rest in heads._known) < 256 * 1024
