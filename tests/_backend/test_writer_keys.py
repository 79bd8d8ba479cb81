"""Masking keys (RFC 6455 5.3, 10.3): the system's generator, each once, in every process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.isolated import run

if TYPE_CHECKING:
    from types import ModuleType


def keys_of(writer: Any, count: int) -> list[bytes]:
    for _ in range(count):
        writer.write(2)
    data = b"".join(writer.take())
    return [data[start + 2 : start + 6] for start in range(0, 6 * count, 6)]


def test_keys_do_not_repeat_and_have_no_pattern(backend: ModuleType) -> None:
    """100,000 keys: chance repeats one of 2^32 about once, more than 20 times never."""
    keys = keys_of(backend.FrameWriter(masked=True), 100_000)
    assert len(set(keys)) > 99_980
    words = [int.from_bytes(key, "big") for key in keys]
    for bit in range(32):
        ones = sum(word >> bit & 1 for word in words)
        assert 49_000 < ones < 51_000, bit  # over six standard deviations to each side


def test_writers_share_no_keys(backend: ModuleType) -> None:
    one, two = (keys_of(backend.FrameWriter(masked=True), 500) for _ in range(2))
    assert len({*one, *two}) > 995


def test_keys_are_the_generators_output(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each four bytes once, in order, fetched by at least 4 KiB."""
    blocks: list[bytes] = []
    urandom = os.urandom

    def recorded(size: int) -> bytes:
        blocks.append(urandom(size))
        return blocks[-1]

    monkeypatch.setattr(os, "urandom", recorded)
    keys = b"".join(keys_of(backend.FrameWriter(masked=True), 4096))
    assert blocks
    assert all(len(block) >= 4096 for block in blocks)
    output = b"".join(blocks)
    start = keys.index(output[:4096])
    assert keys[start:] == output[: len(keys) - start]
    assert start <= len(blocks[0]), "what the block before had left"


FORKED = """
import os
writer = backend.FrameWriter(masked=True)
def keys():
    for _ in range(64):
        writer.write(2)
    return b"".join(writer.take())
keys()
children = []
for _ in range(2):
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.write(into, keys())
        os._exit(0)
    os.close(into)
    children.append(os.fdopen(out, "rb").read())
    os.waitpid(child, 0)
for data in (keys(), *children):
    print(data.hex())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_repeat_its_parents_keys(backend: ModuleType) -> None:
    streams = [bytes.fromhex(line) for line in run(backend, FORKED).split()]
    keys = [frame.mask for stream in streams for frame in oracles.decode(stream)]
    assert len(keys) == 3 * 64
    assert len(set(keys)) > 3 * 64 - 3
