"""Code that runs in the middle of a call of a reader or a writer: whoever it is, frames stay whole.

Another thread runs where the GIL is released, a signal handler or a finalizer wherever Python code
does. Before CPython 3.12 finalizers also run where an object is made.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.interrupting import collecting_at_will, interrupted
from support.isolated import run
from support.numbered import NumberedCodec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Stream:
    """A transport that takes its time over each write, and the owner of the writer."""

    def __init__(self, backend: ModuleType, masked: bool) -> None:
        self.writer = backend.FrameWriter(masked=masked)
        self.writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
        self.buffer = backend.ReadBuffer(100)
        self.taken: list[bytes] = []
        self.during_write: Callable[[], object] | None = None
        self.aborted = 0
        self.writer.attach(self.buffer, self, self)

    def is_closing(self) -> bool:
        return self.aborted > 0

    def write(self, data: Any) -> None:
        half = len(data) // 2
        self.taken.append(bytes(data[:half]))
        if self.during_write is not None:
            action, self.during_write = self.during_write, None
            action()
        self.taken.append(bytes(data[half:]))

    def write_all(self, output: list[Any]) -> None:
        for data in output:
            self.write(data)

    def write_soon(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted += 1

    def payloads(self) -> list[bytes]:
        self.writer.flush()
        return [frame.payload for frame in oracles.decode(b"".join(self.taken))]


@pytest.fixture(params=[False, True], ids=["server", "client"])
def stream(request: pytest.FixtureRequest, backend: ModuleType) -> Stream:
    return Stream(backend, request.param)


def fetch_keys_next(writer: Any, monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Have *action* called when the writer fetches masking keys, with its next frame."""
    waiting = [action]
    urandom = os.urandom

    def fetch(size: int) -> bytes:
        if waiting:
            waiting.pop()()
        return urandom(size)

    backend = sys.modules[type(writer).__module__]
    discard = getattr(backend, "_discard_keys", None)
    (backend.keys.discard if discard is None else discard)()
    monkeypatch.setattr(os, "urandom", fetch)


# The writer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True], ids=["server", "client"])
@pytest.mark.parametrize("corked", [False, True])
@pytest.mark.parametrize(("outer", "nested"), [(10, 10), (70_000, 10), (10, 66_000)])
def test_a_message_written_at_any_moment_is_whole(
    backend: ModuleType, masked: bool, corked: bool, outer: int, nested: int
) -> None:
    for step in itertools.count():
        stream = Stream(backend, masked)
        stream.writer.corked = corked
        message = stream.writer.message
        with interrupted(step, partial(message, b"n" * nested)) as interruption:
            message(b"o" * outer)
            stream.writer.uncork()
        if not interruption.happened:
            break
        payloads = sorted((len(data), data[:1]) for data in stream.payloads())
        assert payloads == sorted([(outer, b"o"), (nested, b"n")]), step
        assert len(stream.writer) == 0
    assert step > 5


def test_output_taken_at_any_moment_is_taken_once(backend: ModuleType) -> None:
    for step in itertools.count():
        writer = backend.FrameWriter(masked=False)
        writer.message(b"first")
        taken: list[bytes] = []

        def act(writer: Any = writer, taken: list[bytes] = taken) -> None:
            writer.message(b"second")
            taken += writer.take()

        with interrupted(step, act) as interruption:
            taken += writer.take()
            writer.message(b"third")
        if not interruption.happened:
            break
        frames = oracles.decode(b"".join([*taken, *writer.take()]))
        assert sorted(frame.payload for frame in frames) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("nested", [b"nested", b"n" * 66_000], ids=["small", "large"])
@pytest.mark.parametrize("outer", [b"outer", b"o" * 66_000], ids=["small", "large"])
def test_a_message_written_while_another_one_is_sent_comes_after_it(
    stream: Stream, outer: bytes, nested: bytes
) -> None:
    def write() -> None:
        assert stream.writer.sending
        stream.writer.message(nested)
        stream.writer.flush()

    stream.during_write = write
    stream.writer.message(outer)
    assert not stream.writer.sending
    assert [frame.payload for frame in oracles.decode(b"".join(stream.taken))] == [outer, nested]


def test_what_is_passed_on_while_a_message_is_sent_comes_after_it(stream: Stream) -> None:
    stream.during_write = lambda: stream.writer.pass_on(b"\x89\x00")
    stream.writer.message(b"outer")
    assert [frame.opcode for frame in oracles.decode(b"".join(stream.taken))] == [BINARY, PING]


@pytest.mark.cpython
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="finalizers run between instructions")
@pytest.mark.parametrize("size", [10, 70_000])
def test_a_finalizer_that_writes_where_an_object_is_made(stream: Stream, size: int) -> None:
    written = []

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            stream.writer.message(b"n")
            written.append(b"n")

    expected = 0
    with collecting_at_will():
        for number in range(300):
            Garbage()
            gc.set_threshold(1 + number % 13)
            stream.writer.corked = number % 2 == 0
            stream.writer.message("o" * size)
            stream.writer.uncork()
            gc.set_threshold(100_000)
            expected += 1
    gc.collect()
    payloads = stream.payloads()
    assert (payloads.count(b"o" * size), payloads.count(b"n")) == (expected, len(written))
    assert len(payloads) == expected + len(written)


@pytest.mark.cpython
def test_a_finalizer_that_takes_where_an_object_is_made(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    taken: list[bytes] = []

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            taken.extend(writer.take())

    with collecting_at_will():
        for number in range(200):
            Garbage()
            gc.set_threshold(1 + number % 4)
            writer.message(b"o" * (10 if number % 2 else 70_000))
            taken += writer.take()
            gc.set_threshold(100_000)
    gc.collect()
    assert len(oracles.decode(b"".join([*taken, *writer.take()]))) == 200


def test_a_buffer_that_is_resized_while_keys_are_fetched(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = backend.FrameWriter(masked=True)
    data = bytearray(b"A" * 900_000)
    others: list[bytes] = []

    def resize() -> None:
        with suppress(BufferError):
            del data[:]
            others.extend(b"SECRET" * 150_000 for _ in range(3))
            data.extend(b"B" * 100)

    for write in (writer.message, partial(writer.write, BINARY)):
        fetch_keys_next(writer, monkeypatch, resize)
        write(data)
        [frame] = oracles.decode(b"".join(writer.take()))
        assert frame.payload in (b"A" * 900_000, b"B" * 100), frame.payload[:20]
        data[:] = b"A" * 900_000


def test_too_few_keys_are_no_keys(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = backend.FrameWriter(masked=True)
    fetch_keys_next(writer, monkeypatch, lambda: None)
    monkeypatch.setattr(os, "urandom", lambda size: b"1234567")
    with pytest.raises(OSError, match="too few"):
        writer.message(b"a")


def test_no_message_follows_a_close_that_was_written_in_the_middle_of_it(
    stream: Stream, backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = stream.writer

    def close() -> None:
        writer.write(CLOSE, b"\x03\xe8")
        writer.accepting = False

    stream.writer = writer = backend.FrameWriter(masked=True)
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    fetch_keys_next(writer, monkeypatch, close)
    with pytest.raises(LookupError):
        writer.message(b"a")
    assert [frame.opcode for frame in oracles.decode(b"".join(writer.take()))] == [CLOSE]
    assert writer.messages == 0


THREADS = """
import threading
from support import oracles
writer = backend.FrameWriter(masked={masked})
stop = False
written = [0, 0]
def small():
    while not stop:
        writer.message(b"small")
        written[0] += 1
threads = [threading.Thread(target=small) for _ in range(2)]
for thread in threads:
    thread.start()
big = bytes(range(256)) * (1 << 13)
taken = []
for _ in range({rounds}):
    writer.message(big)
    taken += writer.take()
stop = True
for thread in threads:
    thread.join()
taken += writer.take()
reader = backend.MessageReader(masked={masked}, max_size=None)
messages = reader.feed(b"".join(taken))
assert set(messages) == {{big, b"small"}}, [message for message in messages if len(message) < 99]
assert messages.count(big) == {rounds}
"""


@pytest.mark.parametrize("masked", [False, True])
def test_threads_that_write_at_once(backend: ModuleType, masked: bool) -> None:
    """A mistake of the caller's, which costs the order of messages and nothing else."""
    rounds = 3 if backend.__name__.endswith("pure") else 30
    run(backend, THREADS.format(masked=masked, rounds=rounds))


def test_a_message_written_while_another_one_is_encoded_is_not_encoded(stream: Stream) -> None:
    codec = NumberedCodec()
    encode = codec.encode

    def encode_and_write(payload: bytes, fin: bool = True) -> bytes:
        if stream.writer.messages == 0:
            stream.writer.message(b"nested")
            assert stream.writer.encoding
        return encode(payload, fin)

    codec.encode = encode_and_write  # type: ignore[method-assign]
    stream.writer.codec = codec
    stream.writer.message(b"outer")
    assert not stream.writer.encoding
    stream.writer.message(b"after")
    stream.writer.flush()
    frames = oracles.decode(b"".join(stream.taken))
    assert [frame.rsv for frame in frames] == [0, 4, 4]
    decoded = [codec.decode(frame.payload, True, None) for frame in frames[1:]]
    assert [b"".join(pieces) for pieces in decoded] == [b"outer", b"after"]


def test_nothing_is_encoded_after_a_message_that_was_encoded_in_vain(stream: Stream) -> None:
    """The peer does not know it, and later ones might refer to it."""

    class Closing(NumberedCodec):
        def encode(self, payload: bytes, fin: bool = True) -> bytes:
            stream.writer.accepting = False
            return super().encode(payload, fin)

    stream.writer.codec = Closing()
    with pytest.raises(LookupError):
        stream.writer.message(b"in vain")
    stream.writer.accepting = True
    stream.writer.message(b"after")
    assert stream.payloads() == [b"after"]


# A writer that has failed ------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("size", [10, 70_000])
def test_after_an_error_in_the_middle_of_a_write_nothing_follows(
    stream: Stream, error: type[BaseException], size: int
) -> None:
    def fail() -> None:
        raise error

    stream.during_write = fail
    with pytest.raises(error):
        stream.writer.message(b"o" * size)
    assert stream.aborted == 1, "the peer got a part of a frame"
    assert not stream.writer.sending
    with pytest.raises(RuntimeError, match="this writer has failed"):
        stream.writer.message(b"a")
    taken = len(stream.taken)
    stream.writer.write(PING)
    stream.writer.flush()
    stream.writer.uncork()
    stream.writer.pass_on(b"x")
    assert (len(stream.taken), len(stream.writer)) == (taken, 0)
