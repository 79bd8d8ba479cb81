"""Loads for a bridge: this process is its client and its target, so that both are paced alike.

Everything is in one thread of plain sockets, on the core of the load.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import ExitStack, suppress
from time import perf_counter, process_time
from typing import NamedTuple

from wscore import encode_frame

from ..contract import Refused

__all__ = ["Ends", "Flow", "both_ways", "down", "round_trips", "up"]

HERE = "127.0.0.1"
PATIENCE = 10.0  # seconds without a byte
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"
_READ = 1 << 20
# Bytes of a client's messages that are under way when they come back.
_WINDOW = 1 << 20


class Flow(NamedTuple):
    """What went through: bytes of chunks, and seconds of wall clock and of this process."""

    nbytes: int
    seconds: float
    load: float


class Ends(ExitStack):
    """The client and the target of one connection through a bridge that listens on *port*.

    *listening* is the socket that the bridge connects to. Raises Refused.
    """

    def __init__(self, port: int, listening: socket.socket) -> None:
        super().__init__()
        self.client = self.enter_context(socket.create_connection((HERE, port), PATIENCE))
        self.client.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := self.client.recv(1)):
                raise Refused("the bridge ended the opening handshake")
            head += byte
        if not head.startswith(b"HTTP/1.1 101"):
            raise Refused(f"the bridge answered {head[:40]!r}")
        listening.settimeout(PATIENCE)
        self.target = self.enter_context(listening.accept()[0])
        for sock in (self.client, self.target):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(PATIENCE)


class _Payload:
    """Counts the bytes in frames of a server, of which any part may come at a time."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._left = 0
        self._head = b""

    def take(self, data: memoryview) -> None:
        """Count what is in *data*. Raises Refused for frames that are not binary messages."""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                step = min(self._left, end - position)
                position += step
                self._left -= step
                self.nbytes += step
                continue
            have = len(self._head)
            head = self._head + bytes(data[position : position + 10 - have])
            size = _header_size(head)
            if not size or len(head) < size:
                self._head = head
                return
            if head[0] != 0x82:
                raise Refused(f"a frame that begins with 0x{head[0]:02x}")
            self._left = head[1] if size == 2 else int.from_bytes(head[2:size], "big")
            self._head = b""
            position += size - have


def _header_size(head: bytes) -> int:
    """Bytes of the header that *head* begins, 0 if that cannot be told yet."""
    return 0 if len(head) < 2 else {126: 4, 127: 10}.get(head[1], 2)


def _frames(chunk: int, most: int) -> bytes:
    """Masked frames of *chunk* bytes each, about *most* bytes together."""
    frame = encode_frame(2, os.urandom(chunk), mask=MASK)
    return frame * max(1, most // len(frame))


def up(ends: Ends, chunk: int, seconds: float) -> Flow:
    """The client sends messages of *chunk* bytes; the target takes them."""
    out = memoryview(_frames(chunk, 4 << 20))
    frame = len(encode_frame(2, bytes(chunk), mask=MASK))
    return _one_way(ends.client, ends.target, out, len(out), seconds, frame, chunk)


def down(ends: Ends, chunk: int, seconds: float) -> Flow:
    """The target writes *chunk* bytes at a time; the client takes the messages."""
    out = memoryview(os.urandom(chunk))
    return _one_way(ends.target, ends.client, out, chunk, seconds, chunk, chunk, _Payload())


def _one_way(
    source: socket.socket,
    sink: socket.socket,
    out: memoryview,
    at_once: int,
    seconds: float,
    frame: int,
    chunk: int,
    payload: _Payload | None = None,
) -> Flow:
    """Send *out* again and again for *seconds*, until whole frames were sent; count what comes.

    Each *frame* bytes that are sent carry *chunk* bytes; the socket is offered *at_once* at a time.
    *payload* counts what comes in frames; without it the sink gets plain bytes.
    """
    buffer = memoryview(bytearray(_READ))
    poller = select.poll()
    poller.register(source, select.POLLOUT)
    poller.register(sink, select.POLLIN)
    source.setblocking(False)
    sent = received = position = 0
    start, cpu = perf_counter(), process_time()
    until, expected = start + seconds, -1  # not known before the end
    burst = 1 if at_once > 4096 else 64
    while received != expected:
        events = dict(poller.poll(PATIENCE * 1000))
        if not events:
            raise Refused(f"nothing comes any more: {received} bytes of {sent}")
        if expected < 0 and events.get(source.fileno()):
            is_over = perf_counter() >= until
            for _ in range(burst):
                size = -sent % frame if is_over else at_once
                try:
                    step = source.send(out[position : position + size]) if size else 0
                except BlockingIOError:
                    break
                position = (position + step) % len(out)
                sent += step
            if is_over and sent % frame == 0:
                expected = sent // frame * chunk
                poller.unregister(source)
        if events.get(sink.fileno()):
            taken = sink.recv_into(buffer)
            if not taken:
                raise Refused("the bridge ended the stream")
            if payload is None:
                received += taken
            else:
                payload.take(buffer[:taken])
                received = payload.nbytes
    source.settimeout(PATIENCE)
    return Flow(received, perf_counter() - start, process_time() - cpu)


def both_ways(ends: Ends, chunk: int, seconds: float) -> Flow:
    """The client's messages of *chunk* bytes come back from the target, 1 MiB under way."""
    out = memoryview(_frames(chunk, _WINDOW))
    batch = len(out) // len(encode_frame(2, bytes(chunk), mask=MASK)) * chunk
    buffer, payload = memoryview(bytearray(_READ)), _Payload()
    client, target = ends.client, ends.target
    for sock in (client, target):
        sock.setblocking(False)
    position, echoed, back = 0, b"", memoryview(b"")
    start, cpu = perf_counter(), process_time()
    expected = batch
    while True:
        waits = [client, target]
        writes = [client] * (position < len(out)) + [target] * bool(back)
        readable, writable, _ = select.select(waits, writes, [], PATIENCE)
        if not readable and not writable:
            raise Refused(f"nothing comes any more: {payload.nbytes} bytes")
        if client in writable:
            position += client.send(out[position:])
        if target in readable and not back:
            echoed = target.recv(_READ)
            back = memoryview(echoed)
        if back:
            with suppress(BlockingIOError):
                back = back[target.send(back) :]
        if client in readable:
            payload.take(buffer[: client.recv_into(buffer)])
        if payload.nbytes == expected:
            if perf_counter() - start >= seconds:
                break
            expected += batch
            position = 0
    for sock in (client, target):
        sock.settimeout(PATIENCE)
    return Flow(payload.nbytes, perf_counter() - start, process_time() - cpu)


def round_trips(ends: Ends, chunk: int, seconds: float) -> list[float]:
    """Seconds from each message of the client until it has it back, one at a time.

    There are two at least, however slow the machine: percentiles need as many.
    """
    frame, taken = encode_frame(2, os.urandom(chunk), mask=MASK), []
    until = perf_counter() + seconds
    while len(taken) < 2 or perf_counter() < until:
        payload = _Payload()
        start = perf_counter()
        ends.client.sendall(frame)
        data = ends.target.recv(chunk, socket.MSG_WAITALL)
        ends.target.sendall(data)
        while payload.nbytes < chunk:
            payload.take(memoryview(ends.client.recv(_READ)))
        taken.append(perf_counter() - start)
    return taken
