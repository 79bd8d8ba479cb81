"""A FrameWriter that has its transport's socket: frames go past the transport while it is idle."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.isolated import run
from support.oracles import WireFrame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its loops write by themselves")

BINARY, PING = 2, 9
CORK_LIMIT = 65536


class Line:
    """A writer, a pair of sockets, and as the transport between them one that writes when told.

    ``events`` has what the transport was given; ``expected`` what the peer has to get in all.
    """

    def __init__(self, backend: ModuleType, *, past: bool = True) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.buffer = backend.ReadBuffer(100)
        self.reader = backend.MessageReader(masked=True, buffer=self.buffer)
        self.writer = backend.FrameWriter(masked=False)
        self.held = bytearray()
        self.events: list[bytes] = []
        self.expected = bytearray()
        self.received = bytearray()
        self.closing = False
        fileno = self.ours.fileno if past else None
        self.writer.attach(self.buffer, self, self, fileno)

    # As transport

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return len(self.held)

    def write(self, data: Any) -> None:
        self.events.append(bytes(data))
        self.held += data

    # As owner

    def write_all(self, pieces: list[Any]) -> None:
        self.write(b"".join(pieces))

    def write_soon(self) -> None:
        pass

    # What the test does

    def read_something(self) -> None:
        self.reader.get_buffer()
        self.reader.commit(0)

    def send(self, payload: bytes) -> None:
        """Send a message that does not have to wait for others."""
        self.expected += oracles.encode(WireFrame(BINARY, payload))
        self.read_something()
        self.writer.message(payload)

    def receive(self) -> int:
        """Read what the system holds for the peer; how much that was."""
        before = len(self.received)
        while True:
            try:
                data = self.theirs.recv(1 << 20)
            except (BlockingIOError, ConnectionResetError):
                break
            if not data:
                break
            self.received += data
        return len(self.received) - before

    def write_held(self) -> None:
        """Have the transport write as much as the system takes."""
        with suppress(BlockingIOError):
            del self.held[: self.ours.send(self.held)]

    def finish(self) -> None:
        """Have everything arrive, and compare."""
        while True:
            self.write_held()
            if not self.receive() and not self.held:
                break
        assert self.received == self.expected

    def fill(self) -> None:
        """Fill the system's buffers, as the application's bytes."""
        while True:
            try:
                sent = self.ours.send(b"\x82\x00" * 500)
            except BlockingIOError:
                break
            self.expected += (b"\x82\x00" * 500)[:sent]

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def line(compiled: ModuleType) -> Iterator[Line]:
    line = Line(compiled)
    yield line
    line.close()


# Straight ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4096, CORK_LIMIT - 1])
def test_a_lone_frame_goes_past_an_idle_transport(line: Line, size: int) -> None:
    line.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    line.send(os.urandom(size))
    line.receive()
    assert line.events == []
    assert line.received == line.expected
    assert len(line.writer) == 0


def test_gathered_frames_go_past_it_in_one_write(compiled: ModuleType) -> None:
    line = Line(compiled)
    with line.ours, line.theirs:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            line.writer.attach(line.buffer, line, line, ours.fileno)
            line.writer.corked = True
            for payload in (b"a", b"b", b"c"):
                line.writer.message(payload)
            line.writer.write(PING, b"?")
            line.writer.uncork()
            frames = [frame.payload for frame in oracles.decode(theirs.recv(99))]
            assert frames == [b"a", b"b", b"c", b"?"]
            assert line.events == []


def test_what_is_passed_on_goes_past_it_as_well(line: Line) -> None:
    line.expected += b"HTTP/1.1 101 \r\n\r\n"
    line.writer.pass_on(bytes(line.expected))
    line.send(b"a")
    assert line.events == []
    line.finish()


def test_what_is_passed_on_may_be_any_buffer(line: Line) -> None:
    for data in (b"1", bytearray(b"2"), memoryview(b"3"), b""):
        line.expected += data
        line.writer.pass_on(data)
    line.finish()


def test_pieces_go_through_the_transport(line: Line) -> None:
    """A header and a payload that is left in place are two buffers."""
    line.send(bytes(CORK_LIMIT))
    assert len(line.events) == 1
    line.send(b"after it")
    line.finish()


# Through the transport ---------------------------------------------------------------------------


def test_nothing_overtakes_what_the_transport_holds(line: Line) -> None:
    line.expected += b"held"
    line.write(b"held")
    line.events.clear()
    line.send(b"1")
    line.writer.pass_on(b"2")
    line.expected += b"2"
    assert len(line.events) == 2
    assert line.receive() == 0
    line.write_held()
    line.send(b"straight again")
    assert len(line.events) == 2
    line.finish()


@pytest.mark.parametrize("held", [b"", b"held"])
def test_nothing_is_written_while_the_transport_is_closing(line: Line, held: bytes) -> None:
    line.held += held
    line.closing = True
    for payload in (b"a", bytes(1000), bytes(CORK_LIMIT)):
        line.read_something()
        line.writer.message(payload)
    line.writer.write(PING)
    line.writer.flush()
    line.writer.uncork()
    assert (line.events, line.receive(), len(line.writer)) == ([], 0, 0)


def test_the_rest_of_a_partial_write_is_the_transports(line: Line) -> None:
    """To the byte, for whatever the system has taken."""
    line.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    partial = 0
    for _ in range(20):
        line.send(os.urandom(CORK_LIMIT - 20))
        rest = bytes(line.held)
        taken = line.receive()
        partial += 0 < len(rest) < CORK_LIMIT - 16 and taken > 0
        assert line.received + rest == line.expected
        assert len(line.writer) == 0
        line.finish()
    assert partial, "the system took all or nothing every time"


def test_a_transport_that_got_nothing_is_not_asked_again(line: Line) -> None:
    """asyncio's takes 60 ns to say what it holds."""
    asked = 0

    def size() -> int:
        nonlocal asked
        asked += 1
        return len(line.held)

    line.get_write_buffer_size = size  # type: ignore[method-assign]
    line.held += b"from before"
    for expected in (1, 2, 3, 3, 3):
        line.send(b"a")
        assert asked == expected
        if asked == 2:
            line.held.clear()
    line.writer.message(bytes(CORK_LIMIT))
    assert line.held, "several pieces are the transport's"
    line.send(b"a")
    assert asked == 4


@pytest.mark.parametrize("way", ["message", "pass_on"])
def test_a_full_socket_leaves_all_to_the_transport(line: Line, way: str) -> None:
    line.fill()
    if way == "message":
        line.send(b"a" * 100)
    else:
        line.expected += b"a" * 100
        line.writer.pass_on(b"a" * 100)
    assert line.events == [bytes(line.expected[-len(line.held) :])]
    assert len(line.held) == 100 + 2 * (way == "message")
    line.finish()


@pytest.mark.parametrize("masked", [False, True])
def test_any_mixture_arrives_in_order(compiled: ModuleType, masked: bool) -> None:
    """The peer is quick for 50 messages and slow for the next."""
    line = Line(compiled)
    line.writer = compiled.FrameWriter(masked=masked)
    with line.ours, line.theirs:
        line.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        line.writer.attach(line.buffer, line, line, line.ours.fileno)
        dice = random.Random(6455)
        payloads = [b"%d " % n + bytes(int(2 ** dice.uniform(0, 17))) for n in range(1500)]
        for number, payload in enumerate(payloads):
            quick = number // 50 % 2 == 0
            while line.receive() + len(line.held) and quick:
                line.write_held()
            if dice.random() < 0.7:
                line.read_something()
            line.writer.corked = dice.random() < 0.2
            line.writer.message(payload)
            for step in (line.write_held, line.writer.flush, line.writer.uncork):
                if dice.random() < 0.4:
                    step()
        line.writer.uncork()
        while line.receive() or line.held:
            line.write_held()
        through = sum(map(len, line.events))
        assert 0.1 < through / len(line.received) < 0.9, "both ways were used"
        assert _payloads(line.received) == payloads


def _payloads(data: bytearray) -> list[bytes]:
    """As `oracles.decode`, for megabytes: the key is taken off by whole numbers."""
    found = []
    at = 0
    while at < len(data):
        head = oracles.decode_header(bytes(data[at : at + 14]))
        assert head is not None
        start, at = at + head.size, at + head.size + head.length
        payload = bytes(data[start:at])
        if head.mask is not None and payload:
            key = (head.mask * (head.length // 4 + 1))[: head.length]
            number = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
            payload = number.to_bytes(head.length, "big")
        found.append(payload)
    return found


# Sockets that are of no use ----------------------------------------------------------------------


def test_the_transport_handles_a_peer_that_is_gone(line: Line) -> None:
    line.theirs.close()
    line.send(b"a")
    assert line.events == [line.expected]
    line.held.clear()
    line.writer.pass_on(b"b")
    assert line.events[1:] == [b"b"]


def test_what_the_system_says_is_kept(compiled: ModuleType) -> None:
    """A reset is told once: the transport would get no more than EPIPE."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    line = Line(compiled)
    with ours, theirs, line.ours, line.theirs:
        line.writer.attach(line.buffer, line, line, ours.fileno)
        assert line.writer.send_error is None
        # l_onoff 1, l_linger 0: close sends RST.
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        select.select([ours], [], [], 10)
        line.send(b"a")
        assert isinstance(line.writer.send_error, ConnectionResetError)
        assert line.events == [line.expected]
        with pytest.raises(BrokenPipeError):
            ours.send(b"a")


def test_a_full_socket_is_no_error(line: Line) -> None:
    line.fill()
    line.send(b"a")
    assert line.writer.send_error is None


GONE = """
import signal, socket
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
ours, theirs = socket.socketpair()
theirs.close()

class Transport:
    written = b""
    def is_closing(self): return False
    def get_write_buffer_size(self): return 0
    def write(self, data): self.written += data

transport = Transport()
writer = backend.FrameWriter(masked=False)
writer.attach(backend.ReadBuffer(10), transport, None, ours.fileno)
writer.message("a")
assert transport.written == b"\\x81\\x01a"
"""


@pytest.mark.skipif(not hasattr(socket, "MSG_NOSIGNAL"), reason="Python ignores SIGPIPE there")
def test_a_peer_that_is_gone_raises_no_signal(compiled: ModuleType) -> None:
    """Also where the application has given SIGPIPE its default effect, which ends the process."""
    assert hasattr(signal, "SIGPIPE")
    run(compiled, GONE)


def test_the_transport_handles_a_socket_that_is_closed(line: Line) -> None:
    line.ours.close()
    line.send(b"a")
    assert line.events == [line.expected]


def test_without_a_socket_the_transport_does_all(compiled: ModuleType) -> None:
    line = Line(compiled, past=False)
    try:
        line.send(b"a")
        line.writer.pass_on(b"b")
        line.expected += b"b"
        assert b"".join(line.events) == line.expected
        assert line.receive() == 0
    finally:
        line.close()


def test_the_python_writer_leaves_the_socket_alone(backends: list[ModuleType]) -> None:
    line = Line(backends[-1])
    try:
        for payload in (b"", b"a" * 1000):
            line.send(payload)
        assert b"".join(line.events) == line.expected
        assert line.receive() == 0
        line.finish()
    finally:
        line.close()


# Errors ------------------------------------------------------------------------------------------


def test_an_error_in_the_middle_sends_nothing_twice(line: Line) -> None:
    """The system has taken a part, and the transport refuses the rest."""
    line.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    write = line.write
    refused: list[bytes] = []

    def refuse(data: Any) -> None:
        refused.append(bytes(data))
        raise RuntimeError

    line.write = refuse  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        line.send(os.urandom(CORK_LIMIT - 20))
    assert 0 < len(refused[0]) < CORK_LIMIT - 16, "a part was taken"
    line.write = write  # type: ignore[method-assign]
    line.writer.flush()
    line.receive()
    assert line.received + refused[0] + line.held == line.expected


def test_the_transport_may_flush_while_it_takes_the_rest(line: Line) -> None:
    """As when it says, within its `write`, that it holds too much."""
    line.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    write = line.write

    def take_and_flush(data: Any) -> None:
        write(data)
        line.writer.flush()

    line.write = take_and_flush  # type: ignore[method-assign]
    for _ in range(3):
        line.send(os.urandom(CORK_LIMIT - 20))
    line.finish()
    assert line.events
