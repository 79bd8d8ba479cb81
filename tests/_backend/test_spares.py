"""The memory of large messages that nobody has any more becomes that of later ones."""

from __future__ import annotations

import ctypes
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.oracles import MIB, WireFrame, encode
from support.traced import tracemalloc

import wscore
from wscore._backend import pure

if TYPE_CHECKING:
    from types import ModuleType

TEXT, BINARY = 1, 2
SPARES = 8
# A message of this size is not whole after one read of this many bytes.
SIZE, READ = MIB // 2, 100_000

compiled = pytest.mark.skipif(wscore.BACKEND == "python", reason="there the memory is Python's")


def reader_of(backend: ModuleType) -> Any:
    return backend.MessageReader(masked=False, max_size=None, buffer=backend.ReadBuffer())


def feed(reader: Any, opcode: int, payload: bytes) -> Any:
    """The message of one frame, fed in pieces."""
    data = encode(WireFrame(opcode, payload))
    events: list[Any] = []
    for start in range(0, len(data), READ):
        events += reader.feed(data[start : start + READ])
    (message,) = events
    return message


def read_in_place(reader: Any, opcode: int, payload: bytes) -> Any:
    """The same through get_buffer and commit, with the view held meanwhile as transports do."""
    data = memoryview(encode(WireFrame(opcode, payload)))
    events: list[Any] = []
    while data:
        view = reader.get_buffer()
        size = min(len(view), len(data))
        view[:size] = data[:size]
        data = data[size:]
        events += reader.commit(size)
    (message,) = events
    return message


@compiled
@pytest.mark.parametrize("read", [feed, read_in_place])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_memory_is_used_again(read: Any, opcode: int) -> None:
    reader = reader_of(wscore)  # type: ignore[arg-type]
    seen = set()
    for letter in b"abcdefgh":
        message = read(reader, opcode, bytes([letter]) * SIZE)
        seen.add(id(message))
        del message
    assert len(seen) == 1


@pytest.mark.parametrize("read", [feed, read_in_place])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_what_somebody_has_stays_as_it_is(backend: ModuleType, read: Any, opcode: int) -> None:
    reader = reader_of(backend)
    kept = []
    for letter in "abcdefghijklmnop" * 2:
        message = read(reader, opcode, letter.encode() * SIZE)
        kept.append((letter, message))
        if letter in "ceg":
            kept.pop(0)
        del message
    for letter, message in kept:
        assert message == (letter * SIZE if opcode == TEXT else letter.encode() * SIZE)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_hash_belongs_to_its_message(backend: ModuleType, opcode: int) -> None:
    reader = reader_of(backend)
    for letter in b"abc":
        payload = bytes([letter]) * SIZE
        message = feed(reader, opcode, payload)
        assert hash(message) == hash(payload.decode() if opcode == TEXT else payload)
        assert message in {payload.decode() if opcode == TEXT else payload}
        del message


def test_an_interned_message_stays_as_it_is(backend: ModuleType) -> None:
    reader = reader_of(backend)
    known = {sys.intern(feed(reader, TEXT, b"a" * SIZE)): "a"}
    first = next(iter(known))
    del known
    for letter in b"bcd":
        feed(reader, TEXT, bytes([letter]) * SIZE)
    assert first == "a" * SIZE
    # Without a reference but that of the table of interned strings it is still there, or gone.
    del first
    for letter in b"efg":
        feed(reader, TEXT, bytes([letter]) * SIZE)
    assert sys.intern("a" * SIZE) == "a" * SIZE


@pytest.mark.cpython
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a str keeps no such copy any more")
def test_a_copy_in_wide_characters_belongs_to_its_message(backend: ModuleType) -> None:
    """Kept in the str once an extension has asked for it, until CPython 3.11."""
    wide = ctypes.pythonapi.PyUnicode_AsUnicode
    wide.argtypes, wide.restype = [ctypes.py_object], ctypes.c_wchar_p
    reader = reader_of(backend)
    for letter in b"abc":
        message = feed(reader, TEXT, bytes([letter]) * SIZE)
        assert wide(message) == chr(letter) * SIZE
        del message


def test_a_view_keeps_its_message(backend: ModuleType) -> None:
    reader = reader_of(backend)
    view = memoryview(feed(reader, BINARY, b"a" * SIZE))
    for letter in b"bcdefghijk":
        feed(reader, BINARY, bytes([letter]) * SIZE)
    assert view == b"a" * SIZE


def test_a_view_of_the_memory_that_is_read_into_does_not_reach_a_later_message(
    backend: ModuleType,
) -> None:
    """Who keeps it writes into the message that it was made for, and nowhere else."""
    reader = reader_of(backend)
    data = encode(WireFrame(BINARY, b"a" * SIZE))
    reader.feed(data[:READ])
    view = reader.get_buffer()
    rest = data[READ:]
    view[: len(rest[: len(view)])] = rest[: len(view)]
    reader.commit(len(rest[: len(view)]))
    reader.feed(rest[len(view) :])
    message = feed(reader, BINARY, b"b" * SIZE)
    view[:1000] = b"!" * 1000
    assert message == b"b" * SIZE


def test_sizes_and_kinds_alternate(backend: ModuleType) -> None:
    """Also text that turns out not to be ASCII, and readers that share a buffer."""
    chance = random.Random(12)
    shared = backend.ReadBuffer()
    readers = [backend.MessageReader(masked=False, max_size=None, buffer=shared) for _ in range(3)]
    held: list[tuple[Any, Any]] = []
    for _ in range(150):
        size = chance.choice([MIB, MIB - 1, MIB // 2, 131072, 131071, 200_000, MIB + 5])
        text = chance.choice(["a", "b", "c"]) * size
        if chance.random() < 0.3:
            at = chance.randrange(size)
            text = text[:at] + "\u00e9" + text[at:]
        opcode = chance.choice([TEXT, BINARY])
        read = chance.choice([feed, read_in_place])
        message = read(chance.choice(readers), opcode, text.encode())
        expected = text if opcode == TEXT else text.encode()
        assert message == expected
        assert len(message) == len(expected)
        if chance.random() < 0.2:
            held.append((message, expected))
        del message
        del held[:-4]
        assert all(message == expected for message, expected in held)


@pytest.mark.cpython
@pytest.mark.parametrize("size", [MIB, MIB + 1, 4 * MIB])
def test_little_is_kept(backend: ModuleType, size: int) -> None:
    """Eight messages of 1 MiB at most, and none that is larger."""
    reader = reader_of(backend)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        messages = [feed(reader, BINARY, b"x" * size) for _ in range(2 * SPARES)]
        del messages
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    most = SPARES * (MIB + 100) if size <= MIB and backend is not pure else 0
    assert kept < most + 50_000
