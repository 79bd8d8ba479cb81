"""Code that runs in the middle of a call of a reader, and readers that have failed."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.feeding import wire
from support.interrupting import collecting_at_will
from support.isolated import run
from support.oracles import WireFrame

import wscore._backend.reader as pure_reader
from wscore.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


# The reader --------------------------------------------------------------------------------------


@pytest.fixture
def in_frame(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Has a function called where the reader makes a `Frame`."""
    module = backend if backend.__name__.endswith("_speedups") else pure_reader

    def install(action: Any) -> None:
        made = module.Frame

        def make(*arguments: Any) -> Any:
            action()
            return made(*arguments)

        monkeypatch.setattr(module, "Frame", make)

    return install


def test_a_reader_that_is_called_within_its_own_call(
    backend: ModuleType, in_frame: Callable[[Any], None]
) -> None:
    reader = backend.MessageReader(masked=True)
    refused = []

    def call() -> None:
        calls = (lambda: reader.feed(b"\x88"), lambda: reader.commit(0), reader.get_buffer,
                 lambda: reader.feed(memoryview(b"\x88")))  # fmt: skip
        for each in calls:
            with pytest.raises(RuntimeError, match="in use"):
                each()
            refused.append(each)

    in_frame(call)
    data = wire(WireFrame(PING, b"?"), WireFrame(TEXT, b"whole"))
    assert reader.feed(data)[1] == "whole"
    assert len(refused) == 4
    assert reader.feed(data)[1] == "whole", "and it goes on"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_after_any_exception_a_reader_has_failed(
    backend: ModuleType, in_frame: Callable[[Any], None], error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error

    in_frame(fail)
    reader = backend.MessageReader(masked=True)
    data = wire(WireFrame(BINARY, b"begun", fin=False), WireFrame(PING, b"?"))
    with pytest.raises(error):
        reader.feed(data)
    for again in (lambda: reader.feed(b""), lambda: reader.commit(0 * len(reader.get_buffer()))):
        with pytest.raises(ProtocolError, match="this reader has failed"):
            again()


@pytest.mark.cpython
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="finalizers run between instructions")
def test_a_finalizer_that_feeds_where_an_object_is_made(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    refused: list[Any] = []

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            try:
                reader.feed(wire(WireFrame(BINARY, b"n" * 50_000)))
            except RuntimeError as error:
                refused.append(error)

    data = wire(WireFrame(PING, b"?"), WireFrame(TEXT, b"x" * 200_000), WireFrame(PING, b"!"))
    heard = []
    with collecting_at_will():
        for number in range(100):
            Garbage()
            gc.set_threshold(1 + number % 5)
            for at in range(0, len(data), 70_000):
                view = reader.get_buffer()
                piece = data[at : at + min(len(view), 70_000)]
                view[: len(piece)] = piece
                heard += reader.commit(len(piece))
            gc.set_threshold(100_000)
            gc.collect()
    assert [event for event in heard if isinstance(event, str)] == ["x" * 200_000] * 100


READING_THREADS = """
import threading
from support.feeding import wire
from support.oracles import WireFrame
data = wire(WireFrame(1, "\u20ac".encode() * 700_000, fin=False), WireFrame(0, b"x" * 1_200_000))
reader = backend.MessageReader(masked=True, max_size=None)
refused = [0]
def feed():
    for _ in range({rounds}):
        for at in range(0, len(data), 1_500_000):
            try:
                reader.feed(data[at : at + 1_500_000])
            except RuntimeError:
                refused[0] += 1
            except Exception:
                return
threads = [threading.Thread(target=feed) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_at_once(backend: ModuleType) -> None:
    """A mistake of the caller's: an exception, or nonsense, but nothing else."""
    rounds = 2 if backend.__name__.endswith("pure") else 20
    run(backend, READING_THREADS.format(rounds=rounds))


CHANGING = """
import threading
wide, narrow = "\u20ac".encode() * 700_000, b"x" * 2_100_000
data = bytearray(wide)
stop = False
def change():
    while not stop:
        data[:] = narrow
        data[:] = wide
thread = threading.Thread(target=change)
thread.start()
for _ in range({rounds}):
    try:
        text = backend.decode_utf8(data)
    except UnicodeDecodeError:
        continue
    assert 700_000 <= len(text) <= 2_100_000
stop = True
thread.join()
"""


@pytest.mark.cpython
def test_text_that_another_thread_changes_while_it_is_decoded(backend: ModuleType) -> None:
    run(backend, CHANGING.format(rounds=300))


# Memory that calls in the wrong order might lose -------------------------------------------------

AGAIN = """
buffer = backend.ReadBuffer(1000)
view = buffer.view
try:
    buffer.__init__(10)
except RuntimeError:
    pass
others = [bytes(1000) for _ in range(10)]
view[:] = bytes(range(250)) * 4
assert all(other == bytes(1000) for other in others)
empty = backend.ReadBuffer.__new__(backend.ReadBuffer)
try:
    len(empty), memoryview(empty)
except (AttributeError, TypeError):
    pass
view = getattr(backend, "TextView", None)
if view is not None:
    try:
        memoryview(view())
    except BufferError:
        pass
"""


def test_memory_that_is_made_twice_or_not_at_all(backend: ModuleType) -> None:
    run(backend, AGAIN)
