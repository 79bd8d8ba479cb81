"""A `TLSTransport` between a transport that only notes what is written, and a protocol."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from wscore.aio.connection.tls_transport import TLSTransport
from wscore.aio.loop import loop_data

__all__ = ["DATA", "Above", "Below", "Copying", "Pair", "Peer", "record_lengths"]

DATA = bytes(range(256)) * 800


class Below:
    """A plain transport; `feed` and `end` are what its socket brings."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.written = bytearray()
        self.calls: list[str] = []
        self.reading = True
        self.full = False
        self.closed = self.aborted = False
        self.size = 0
        self.limits: tuple[Any, Any] = (None, None)
        self.on_write: Any = None

    def write(self, data: Any) -> None:
        assert data
        if self.on_write is not None:
            self.on_write(self)
        self.written += data

    def writelines(self, data: Any) -> None:
        self.write(b"".join(data))

    def take(self) -> bytes:
        taken, self.written = bytes(self.written), bytearray()
        return taken

    def feed(self, data: bytes) -> None:
        while data:
            view = self.protocol.get_buffer(-1)
            count = min(len(view), len(data))
            view[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def end(self) -> None:
        assert self.protocol.eof_received()

    def lose(self, error: Exception | None = None) -> None:
        self.protocol.connection_lost(error)

    def pause(self) -> None:
        self.full = True
        self.protocol.pause_writing()

    async def resume(self) -> None:
        self.full = False
        self.protocol.resume_writing()
        await asyncio.sleep(0)

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        self.limits = high, low

    def get_write_buffer_size(self) -> int:
        return self.size

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 7)}.get(name, default)

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Above(asyncio.BufferedProtocol):
    """Notes what it is told; *on* has what is called within a callback, by its name."""

    def __init__(self, room: int = 1 << 16) -> None:
        self.memory = memoryview(bytearray(room))
        self.data = bytearray()
        self.calls: list[str] = []
        self.error: Any = "not lost"
        self.on: dict[str, Any] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.on:
            self.on[name]()

    def connection_made(self, transport: Any) -> None:
        self._called("connection_made")

    def get_buffer(self, sizehint: int) -> memoryview:
        if "get_buffer" in self.on:
            self.on["get_buffer"]()
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.memory[:nbytes]
        self._called("buffer_updated")

    def eof_received(self) -> None:
        self._called("eof_received")

    def pause_writing(self) -> None:
        self._called("pause_writing")

    def resume_writing(self) -> None:
        self._called("resume_writing")

    def connection_lost(self, exc: Any) -> None:
        self.error = exc
        self._called("connection_lost")


class Copying(asyncio.Protocol):
    """Is given copies."""

    def __init__(self) -> None:
        self.data = bytearray()

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data


class Peer:
    """The other end, by the ssl module."""

    def __init__(self, context: ssl.SSLContext, server_side: bool, session: Any = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self.object = context.wrap_bio(
            self.incoming, self.outgoing, server_side, name, session=session
        )
        self.data = bytearray()
        self.ended = False

    def shake_hands(self) -> bool:
        with suppress(ssl.SSLWantReadError):
            self.object.do_handshake()
            return True
        return False

    def write(self, data: bytes, size: int = 16384) -> bytes:
        """Ciphertext of *data*, in records of up to *size* bytes."""
        for start in range(0, len(data), size):
            self.object.write(data[start : start + size])
        return self.outgoing.read()

    def take(self, ciphertext: bytes) -> None:
        self.incoming.write(ciphertext)
        try:
            while data := self.object.read(1 << 16):
                self.data += data
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # after our own end
            self.ended = True

    def goodbye(self) -> bytes:
        with suppress(ssl.SSLWantReadError):
            self.object.unwrap()
        return self.outgoing.read()


class Pair:
    """Both ends; *ours* is the role of the `TLSTransport`."""

    def __init__(
        self,
        server_tls: ssl.SSLContext,
        client_tls: ssl.SSLContext,
        ours: str = "server",
        above: Any = None,
        session: Any = None,
        **options: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        is_server = ours == "server"
        self.opened = None if is_server else loop.create_future()
        self.above: Any = Above() if above is None else above
        self.below = Below()
        self.tls = TLSTransport(
            self.above,
            server_tls if is_server else client_tls,
            loop,
            loop_data(loop),
            server_side=is_server,
            server_hostname=None if is_server else "localhost",
            opened=self.opened,
            **{"handshake_timeout": None, **options},
        )
        self.below.protocol = self.tls
        self.peer = Peer(client_tls if is_server else server_tls, not is_server, session)

    def begin(self) -> None:
        self.tls.connection_made(self.below)  # type: ignore[arg-type]
        if self.opened is not None:
            self.tls.begin()

    def connect(self) -> Pair:
        """Shake hands."""
        self.begin()
        while not (self.peer.shake_hands() and self.tls.is_open):
            self.below.feed(self.peer.outgoing.read())
            self.peer.incoming.write(self.below.take())
        self.pass_on()
        return self

    def pass_on(self) -> None:
        """Take what was written below to the peer."""
        self.peer.take(self.below.take())

    def feed(self, data: bytes, piece: int | None = None) -> None:
        """Have the peer write *data*, which is read in pieces."""
        ciphertext = self.peer.write(data)
        step = piece or len(ciphertext)
        for start in range(0, len(ciphertext), step):
            self.below.feed(ciphertext[start : start + step])


def record_lengths(ciphertext: bytes) -> list[int]:
    """The lengths of its records, without headers."""
    found = []
    while ciphertext:
        length = int.from_bytes(ciphertext[3:5], "big")
        found.append(length)
        assert len(ciphertext) >= 5 + length
        ciphertext = ciphertext[5 + length :]
    return found
