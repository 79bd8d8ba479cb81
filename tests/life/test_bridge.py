"""``wscore bridge`` as a process: gigabytes each way, and thousands of connections."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from life.processes import allow_descriptors, descriptors, resident
from support.processes import free_port, running, wait_until_listening
from support.rawpeer import BINARY, request

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE, MIB = "127.0.0.1", 1 << 20
TOTAL, LESS = 1024, 64  # MiB
CONNECTIONS, FEWER = 2000, 200
GROWTH = 16 * MIB  # of resident memory while a stream passes
PATIENCE = 120.0
MASK = b"\x01\x02\x03\x04"


@contextmanager
def bridge(loop: str, *words: str) -> Iterator[tuple[int, int, socket.socket]]:
    """Its process id, its port, and the socket of its target."""
    with socket.create_server((HERE, 0), backlog=1024) as target:
        port, to = free_port(), f"{HERE}:{target.getsockname()[1]}"
        target.settimeout(PATIENCE)
        command = [sys.executable, "-m", "wscore", "bridge", "--listen", f"{HERE}:{port}"]
        with running(
            subprocess.Popen(
                [*command, "--to", to, "--loop", loop, *words], stdout=subprocess.DEVNULL
            )
        ) as process:
            wait_until_listening(process, port)
            yield process.pid, port, target
            process.terminate()
            assert process.wait(PATIENCE) == 0


def shake_hands(port: int) -> socket.socket:
    sock = socket.create_connection((HERE, port), PATIENCE)
    sock.sendall(request())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return sock


def frames_of(total: int) -> Iterator[tuple[bytes, bytes]]:
    """Payloads of a MiB that all differ, each with its frame."""
    for number in range(total):
        payload = number.to_bytes(4, "big") * (MIB // 4)
        yield payload, wscore.encode_frame(BINARY, payload, mask=MASK)


def payload_of(sock: socket.socket, total: int) -> Iterator[bytes]:
    """What is in the next frames of a server, *total* bytes together."""
    stream = sock.makefile("rb")
    while total:
        first, length = stream.read(2)
        assert first == 0x82
        if length > 125:
            length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
        total -= length
        yield stream.read(length)


def watched(pid: int, moving: threading.Thread) -> list[int]:
    """Resident bytes of *pid* as long as something moves."""
    seen = []
    while moving.is_alive():
        moving.join(0.02)
        seen.append(resident(pid))
    return seen


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("way", ["to the target", "to the client"])
def test_gigabytes_pass_and_memory_is_flat(
    loop: str, way: str, short: bool, figure: Callable[[str], None]
) -> None:
    total = LESS if short else TOTAL
    sent, got = hashlib.sha256(), hashlib.sha256()
    with (
        bridge(loop) as (pid, port, target),
        shake_hands(port) as client,
        target.accept()[0] as far,
    ):

        def send() -> None:
            for payload, frame in frames_of(total):
                sent.update(payload)
                if way == "to the target":
                    client.sendall(frame)
                else:
                    far.sendall(payload)

        def receive() -> None:
            left = total * MIB
            if way == "to the client":
                for data in payload_of(client, left):
                    got.update(data)
                return
            while left:
                data = far.recv(min(left, MIB))
                assert data
                got.update(data)
                left -= len(data)

        started = time.monotonic()
        ends = [threading.Thread(target=work) for work in (send, receive)]
        for thread in ends:
            thread.start()
        seen = watched(pid, ends[1])
        for thread in ends:
            thread.join(PATIENCE)
        seconds = time.monotonic() - started
    assert got.digest() == sent.digest()
    begun = max(seen[: max(1, len(seen) // 4)])
    assert max(seen) - begun < GROWTH
    figure(f"{total / seconds:,.0f} MiB/s, at most {max(seen) / MIB:.0f} MiB resident")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_thousands_of_connections(loop: str, short: bool, figure: Callable[[str], None]) -> None:
    count = FEWER if short else CONNECTIONS
    allow_descriptors(2 * count + 200)
    with ExitStack() as stack:
        pid, port, target = stack.enter_context(bridge(loop))
        before, held = resident(pid), descriptors(pid)
        pairs = []
        for number in range(count):
            client = stack.enter_context(shake_hands(port))
            far = stack.enter_context(target.accept()[0])
            far.settimeout(PATIENCE)
            pairs.append((number.to_bytes(4, "big"), client, far))
        used = resident(pid) - before
        for data, client, _ in pairs:
            client.sendall(wscore.encode_frame(BINARY, data, mask=MASK))
        for data, client, far in pairs:
            assert far.recv(4, socket.MSG_WAITALL) == data
            far.sendall(data[::-1])
            assert client.recv(6, socket.MSG_WAITALL) == b"\x82\x04" + data[::-1]
        for _, client, far in pairs:
            far.close()
            assert client.recv(4, socket.MSG_WAITALL)[:1] == b"\x88"
            client.close()
        give_up = time.monotonic() + PATIENCE
        while descriptors(pid) > held + 5:
            assert time.monotonic() < give_up, f"{descriptors(pid)} descriptors, {held} before"
            time.sleep(0.05)
        figure(f"{count} connections, {used / count / 1024:.1f} KiB for each")
