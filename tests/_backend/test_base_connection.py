"""BaseConnection: `write` is the writer's `message`, as a method that subclasses inherit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.isolated import run

if TYPE_CHECKING:
    from types import ModuleType


def subclass(backend: ModuleType) -> Any:
    class Connection(backend.BaseConnection):  # type: ignore[misc,name-defined]
        __slots__ = ("name",)

        def __init__(self, writer: Any, name: str) -> None:
            super().__init__(writer)
            self.name = name

    return Connection


def test_messages_are_written(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    connection = subclass(backend)(writer, "one")
    assert connection._writer is writer
    assert connection.write("text") is True
    assert connection.write(b"text", True) is True
    assert connection.write("data", text=False, compress=False) is True
    writer.writable = False
    assert connection.write(message=b"") is False
    frames = oracles.decode(b"".join(writer.take()))
    assert [(frame.opcode, frame.payload) for frame in frames] == [
        (1, b"text"), (1, b"text"), (2, b"data"), (2, b""),
    ]  # fmt: skip
    assert writer.messages == 4


def test_errors_are_those_of_the_writer(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    connection = subclass(backend)(writer, "one")
    for wrong in ((1,), (None,), (), ("a", None, None, None)):
        with pytest.raises(TypeError):
            connection.write(*wrong)
    writer.accepting = False
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    with pytest.raises(LookupError):
        connection.write("a")
    assert writer.take() == []


def test_it_shares_its_layout_with_other_bases(backend: ModuleType) -> None:
    """asyncio's protocols are mixed in."""
    import asyncio

    class Connection(backend.BaseConnection, asyncio.BufferedProtocol):  # type: ignore[misc,name-defined]
        __slots__ = ()

    writer = backend.FrameWriter(masked=False)
    connection = Connection(writer)
    assert connection.write("a")
    assert not hasattr(connection, "__dict__")


UNFINISHED = """
class Late(backend.BaseConnection):
    def __init__(self):
        pass

class Idle(backend.Dispatcher):
    def __init__(self):
        pass

for call, arguments in ((Late().write, "a"), (Idle().updated, 0)):
    try:
        call(arguments)
    except AttributeError:
        pass
    else:
        raise AssertionError(call)
"""


def test_a_subclass_that_forgets_its_base_fails_cleanly(backend: ModuleType) -> None:
    """In a process of its own, as a mistake may end it."""
    run(backend, UNFINISHED)


# What `send` does in one step -------------------------------------------------------------------


@pytest.mark.parametrize("message", ["text", b"bytes", bytearray(b"a"), memoryview(b"view"), ""])
def test_whole_messages_are_written_in_one_step(backend: ModuleType, message: Any) -> None:
    writer = backend.FrameWriter(masked=False)
    connection = subclass(backend)(writer, "one")
    assert connection._write_whole(message) is True
    [frame] = oracles.decode(b"".join(writer.take()))
    expected = message.encode() if isinstance(message, str) else bytes(message)
    assert (frame.opcode, frame.payload) == (1 if isinstance(message, str) else 2, expected)


@pytest.mark.parametrize("flag", ["crowded", "writable"])
def test_others_have_a_turn_after_much_or_when_the_peer_is_behind(
    backend: ModuleType, flag: str
) -> None:
    writer = backend.FrameWriter(masked=False)
    setattr(writer, flag, flag == "crowded")
    assert subclass(backend)(writer, "one")._write_whole("a", None, None) is False
    assert writer.messages == 1


class Text(str):
    """One message all the same, but not for the fast step."""


@pytest.mark.parametrize("message", [["a", "b"], iter("ab"), 1, None, Text("a")])
def test_what_is_not_one_message_is_left_alone(backend: ModuleType, message: Any) -> None:
    writer = backend.FrameWriter(masked=False)
    assert subclass(backend)(writer, "one")._write_whole(message) is None
    assert writer.take() == []


def test_messages_wait_for_one_that_is_sent_in_steps(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    connection = subclass(backend)(writer, "one")
    writer.reserved = True
    assert connection._write_whole("a") is None
    writer.reserved = False
    assert connection._write_whole("a") is True
    assert writer.messages == 1


def test_large_text_is_left_alone_where_it_may_be_compressed(backend: ModuleType) -> None:
    class Codec:
        threshold = 1 << 30

    writer = backend.FrameWriter(masked=False)
    connection = subclass(backend)(writer, "one")
    large = "a" * 65537
    assert connection._write_whole(large) is True
    writer.codec = Codec()
    assert connection._write_whole(large) is None
    assert connection._write_whole(large[1:]) is not None
    assert connection._write_whole(large.encode()) is not None


def test_errors_of_a_step_are_those_of_write(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    writer.accepting = False
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    with pytest.raises(LookupError):
        subclass(backend)(writer, "one")._write_whole("a")
