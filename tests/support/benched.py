"""What the tests of the benchmarks share: servers that say what a test wants, and their needs."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.contract import Missing
from bench.servers import Contender

__all__ = ["answering", "handshake", "needs_cores", "skip_if_missing"]

needs_cores = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="processes are pinned to two cores, which needs Linux and the cores",
)


def skip_if_missing(contender: Contender) -> None:
    """At run time: what is collected must not depend on what another process installs."""
    try:
        contender.command(0)
    except Missing as missing:
        pytest.skip(str(missing))


def handshake(request: bytes, more: str = "") -> bytes:
    """The answer to *request*, with *more* header lines."""
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
    assert found
    digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = base64.b64encode(digest).decode()
    return f"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n".encode()


@contextmanager
def answering(*answers: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server on the port yielded that answers what it reads in turn, then ends the stream."""

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(ConnectionError):
            for make in answers:
                if received := connection.recv(4096):
                    connection.sendall(make(received))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
