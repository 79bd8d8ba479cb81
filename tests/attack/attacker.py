"""The attacker's end of a socket: it writes and reads at once, and gives up in time."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

from .vocabulary import PATIENCE

__all__ = ["Attacker"]

_READ = 1 << 18
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_ENDED = (ConnectionError, ssl.SSLError)


class Attacker:
    """A connection to *address*; ``received`` is what has come, ``ended`` whether all of it has.

    A reset ends it as well: who breaks the rules is owed no more. With *receive_buffer* bytes the
    system takes no more from the other side than that while nobody reads. With *tls* all of this
    is within TLS.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address)
        # Or the pieces would be put together again.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname=address[0])
        self.sock.setblocking(False)
        self.received = b""
        self.ended = False

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def send(self, pieces: Iterable[bytes]) -> None:
        """Write each piece by itself, reading what comes; stops when the other side has ended."""
        for piece in pieces:
            self._write(piece, reading=True)
            if self.ended:
                return

    def send_unread(self, data: bytes, patience: float = PATIENCE) -> int:
        """Write without ever reading; the bytes that left before the other side took no more."""
        return self._write(data, reading=False, patience=patience)

    def _write(self, data: bytes, *, reading: bool, patience: float = PATIENCE) -> int:
        view, sent = memoryview(data), 0
        while sent < len(view) and not self.ended:
            readable, writable, _ = select.select(
                [self.sock] if reading else [], [self.sock], [], patience
            )
            if readable:
                self._read()
            if writable:
                try:
                    sent += self.sock.send(view[sent:])
                except _LATER:
                    pass
                except _ENDED:
                    if reading:  # what came before the reset
                        self._read_all()
                    self.ended = True
            elif not readable:
                break
        return sent

    def read_until(self, done: Callable[[bytes], bool], patience: float = PATIENCE) -> bool:
        """Read until *done* is true of all that came; False at the end or after *patience*."""
        deadline = monotonic() + patience
        while not done(self.received):
            left = deadline - monotonic()
            if self.ended or left <= 0:
                return False
            if select.select([self.sock], [], [], left)[0]:
                self._read()
        return True

    def read_rest(self, patience: float = PATIENCE) -> None:
        """Read to the end of the stream."""
        self.read_until(lambda data: False, patience)

    def end(self) -> None:
        """End our side of the stream."""
        with suppress(OSError):  # it may have been reset
            if isinstance(self.sock, ssl.SSLSocket):
                with suppress(ssl.SSLWantReadError):  # the other side may have more to say
                    self.sock.unwrap()
            socket.socket.shutdown(self.sock, socket.SHUT_WR)  # that of TLS would read no more

    def reset(self) -> None:
        """Vanish: the other side gets a reset."""
        # l_onoff 1, l_linger 0: close sends RST.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ)
        except _LATER:
            return
        except _ENDED:
            data = b""
        self.received += data
        self.ended = not data

    def _read_all(self) -> None:
        while not self.ended and select.select([self.sock], [], [], 0)[0]:
            self._read()
