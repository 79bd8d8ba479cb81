"""Our own transport on real sockets: one end of a connection, and what its protocol was told."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any
from weakref import ref

from wscore.aio.reactor import _wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["FAMILIES", "ByteRecorder", "Line", "Lines", "Recorder", "connected", "reset", "turns"]

FAMILIES = ["tcp", "tcp6", "unix"]


def connected(family: str) -> tuple[socket.socket, socket.socket]:
    """Two sockets that are connected to each other."""
    if family == "unix":
        return socket.socketpair()
    kind = socket.AF_INET6 if family == "tcp6" else socket.AF_INET
    with socket.socket(kind) as listening:
        listening.bind(("::1" if family == "tcp6" else "127.0.0.1", 0))
        listening.listen(1)
        ours = socket.socket(kind)
        ours.connect(listening.getsockname())
        return ours, listening.accept()[0]


def reset(sock: socket.socket) -> None:
    """Close the socket of a TCP connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def turns(count: int = 5) -> None:
    """Let the loop look at its sockets, that often."""
    for _ in range(count):
        await asyncio.sleep(0)


class Recorder(asyncio.BufferedProtocol):
    """Notes what it is told. ``do[name]`` is called within the callback of that name."""

    transport: Any

    def __init__(self, size: int = 65536, do: dict[str, Callable[[], Any]] | None = None) -> None:
        self.memory = bytearray(size)
        self.received = bytearray()
        self.told: list[str] = []
        self.error: BaseException | None = None
        self.do = {} if do is None else do
        self.lost = asyncio.get_running_loop().create_future()

    def tell(self, name: str) -> Any:
        self.told.append(name)
        return self.do[name]() if name in self.do else None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tell("made")

    def get_buffer(self, sizehint: int) -> Any:
        if "buffer" in self.do:
            return self.do["buffer"]()
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.memory[:nbytes]
        self.tell("read")

    def eof_received(self) -> Any:
        return self.tell("eof")

    def pause_writing(self) -> None:
        self.tell("pause")

    def resume_writing(self) -> None:
        self.tell("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.error = exc
        if not self.lost.done():
            self.lost.set_result(exc)
        self.tell("lost")


class ByteRecorder(asyncio.Protocol):
    """The same for a protocol that takes bytes."""

    connection_made = Recorder.connection_made
    eof_received = Recorder.eof_received
    pause_writing = Recorder.pause_writing
    resume_writing = Recorder.resume_writing
    connection_lost = Recorder.connection_lost
    __init__ = Recorder.__init__
    tell = Recorder.tell

    def data_received(self, data: bytes) -> None:
        self.received += data  # type: ignore[has-type]
        self.tell("read")


class Line:
    """A transport of ours, its protocol, and the socket of the peer."""

    def __init__(self, transport: Any, protocol: Any, theirs: socket.socket) -> None:
        self.transport, self.protocol, self.theirs = transport, protocol, theirs
        self.descriptor = transport.fileno()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait for *condition*."""
        while not condition():  # `run` has a deadline
            await asyncio.sleep(0.001)

    async def until_told(self, name: str) -> None:
        await self.until(lambda: name in self.protocol.told)

    async def ended(self) -> BaseException | None:
        """Wait for the end, and return what the protocol was told of it."""
        return await asyncio.wait_for(asyncio.shield(self.protocol.lost), 10)  # type: ignore[no-any-return]

    async def receive(self, size: int) -> bytes:
        """Read *size* bytes as the peer, or all that there are before the end."""
        got = bytearray()
        while len(got) < size:
            try:
                data = self.theirs.recv(size - len(got))
            except BlockingIOError:
                await asyncio.sleep(0.001)
                continue
            if not data:
                break
            got += data
        return bytes(got)


class Lines:
    """The lines of one reactor, in the running loop: ``async with Lines(backend) as lines``."""

    def __init__(self, backend: ModuleType) -> None:
        self.loop = asyncio.get_running_loop()
        self.backend = backend
        self.reports: list[dict[str, Any]] = []
        self.runs = 0
        self.made: list[Line] = []
        self.reactor = backend.Reactor(backend.ReadBuffer(65536), ref(self.loop), None, _wrapped)

    def run(self) -> None:
        self.runs += 1
        self.reactor.run()

    async def __aenter__(self) -> Lines:
        self.loop.add_reader(self.reactor.fileno(), self.run)
        self.loop.set_exception_handler(lambda _, what: self.reports.append(what))
        return self

    async def __aexit__(self, *error: object) -> None:
        for line in self.made:
            line.protocol.do = {}
            line.transport.abort()
            line.theirs.close()
        await turns(3)
        self.loop.remove_reader(self.reactor.fileno())
        self.loop.set_exception_handler(None)

    def open(self, protocol: Any = None, family: str = "tcp") -> Line:
        """A new line of *protocol*, a `Recorder` by default."""
        protocol = Recorder() if protocol is None else protocol
        ours, theirs = connected(family)
        theirs.setblocking(False)
        transport = self.backend.SocketTransport(self.reactor, self.loop, ours.detach())
        line = Line(transport, protocol, theirs)
        self.made.append(line)
        transport.start(protocol)
        return line

    async def is_quiet(self) -> bool:
        """Whether nothing is ready once everything was served: else the loop would spin."""
        await turns(10)
        before = self.runs
        await turns(20)
        return self.runs == before

    def fill(self, line: Line) -> int:
        """Write until the system takes no more; returns how much that was in all."""
        total = 0
        while not (line.transport.get_write_buffer_size() or line.transport.is_closing()):
            line.transport.write(bytes(65536))
            total += 65536
        return total
