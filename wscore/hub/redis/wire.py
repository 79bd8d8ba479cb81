"""One connection to Redis: commands go out packed, answers come in one after another (RESP2)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import hiredis

from ...protocol.hosts import host_and_port

if TYPE_CHECKING:
    import ssl

__all__ = ["PIECE", "Address", "Afterwards", "Arguments", "Wire", "ask", "end", "open_wire", "pack",
           "pieces"]  # fmt: skip

Arguments = tuple["bytes | str | int | float", ...]
# Its own annotation is for one argument.
pack: Callable[[Arguments], bytes] = hiredis.pack_command  # type: ignore[assignment]
W = TypeVar("W", bound="Wire")
# Bytes. After every answer a reader moves all that it has been fed to the front of its buffer: with
# what asyncio reads at once, 256 KiB, that would take three times as long as all else.
PIECE = 1 << 14


class Address(NamedTuple):
    """Where a server listens: a host and port, or the path of a unix socket."""

    host: str
    port: int
    path: str | None = None
    tls: ssl.SSLContext | None = None

    def is_same_as(self, other: Address | None) -> bool:
        """Whether both name one place."""
        return other is not None and self[:3] == other[:3]

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return host_and_port(self.host, self.port)


class Wire(asyncio.Protocol):
    """A connection to Redis that is cut on the first error, and says why.

    Each answer is given to `take`; errors that Redis answers are given to it as well.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self.address: Address | None = None
        """Where it leads."""
        self.ended: asyncio.Future[Exception | None] = loop.create_future()
        """Done when the connection is closed: the error that ended it."""
        self.writable = True
        """Whether Redis takes what is sent."""
        self.heard = False
        """Whether anything came; set here, cleared by whoever watches."""
        self.take: Callable[[Any], None] = self.unexpected
        self.is_cut = False
        self._error: Exception | None = None
        self._reader = hiredis.Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Writing is possible from here on."""
        self.transport = cast("asyncio.Transport", transport)
        if self.is_cut:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand on the answers that are complete."""
        self.heard = True
        reader = self._reader
        try:
            for piece in pieces(data):
                reader.feed(piece)
                while not self.is_cut and (answer := reader.gets()) is not False:
                    self.take(answer)
        except hiredis.HiredisError as error:
            self.not_redis(error)

    def not_redis(self, error: Exception) -> None:
        """Cut the connection: what came is not of the protocol."""
        self.cut(ConnectionError(f"what came is not Redis' protocol: {error}"))

    def unexpected(self, answer: Any) -> None:
        """Cut the connection: nobody asked."""
        if isinstance(answer, hiredis.ReplyError):
            self.cut(answer)  # such as the one to a client too many
        else:
            self.cut(ConnectionError("an answer came that nobody asked for"))

    def write(self, data: bytes) -> None:
        """Send packed commands; does nothing after the connection is cut."""
        if self.transport is not None and not self.is_cut:
            self.transport.write(data)

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self.writable = False

    def resume_writing(self) -> None:
        """It was sent."""
        self.writable = True

    def connection_lost(self, error: Exception | None) -> None:
        """Tell why the connection ended: by our own reason if there was one."""
        self.is_cut = True
        if sys.version_info < (3, 11) and self.transport is not None:
            self.transport.close()  # else it warns of TLS transports that the peer closed
        if not self.ended.done():
            lost = error or ConnectionResetError("Redis closed the connection")
            self.ended.set_result(self._error or lost)

    def cut(self, error: Exception | None) -> None:
        """End the connection at once; *error* is what `ended` will say."""
        if self.is_cut:
            return
        self.is_cut = True
        self._error = error
        if self.transport is not None:
            self.transport.abort()

    async def ask(self, *commands: Arguments) -> list[Any]:
        """Send commands and return their answers, errors of Redis among them.

        For the time before `take` is set. Raises ConnectionError if the connection ends.
        """
        answers: list[Any] = []
        complete: asyncio.Future[None] = self.loop.create_future()

        def take(answer: Any) -> None:
            answers.append(answer)
            if len(answers) == len(commands):
                self.take = self.unexpected
                if not complete.done():
                    complete.set_result(None)

        self.take = take
        self.write(b"".join(pack(command) for command in commands))
        either: set[asyncio.Future[Any]] = {complete, self.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not complete.done():
            complete.cancel()
            raise self.ended.result() or ConnectionAbortedError("closed meanwhile")
        return answers


def pieces(data: bytes) -> Iterable[bytes]:
    """*data* in pieces of a size that `hiredis.Reader` is quick with."""
    if len(data) <= PIECE:
        return (data,)
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


async def open_wire(make: Callable[[asyncio.AbstractEventLoop], W], address: Address) -> W:
    """Connect to *address*. Raises OSError."""
    loop = asyncio.get_running_loop()
    wire = make(loop)
    wire.address = address
    try:
        await _connect(loop, wire, address)
    except RuntimeError:
        # asyncio closes a transport that it has not handed over yet: by a call of the loop, which
        # may be closed and forgotten. Whoever ends the coroutine then, expects this.
        if loop.is_closed():
            raise GeneratorExit from None
        raise
    return wire


async def _connect(loop: asyncio.AbstractEventLoop, wire: Wire, address: Address) -> None:
    if address.path is not None:
        await loop.create_unix_connection(lambda: wire, address.path)
        return
    name = address.host if address.tls is not None else None
    await loop.create_connection(
        lambda: wire, address.host, address.port, ssl=address.tls, server_hostname=name
    )


async def ask(address: Address, *commands: Arguments) -> list[Any]:
    """Connect, send commands, return the answers, and disconnect. Raises OSError."""
    wire = await open_wire(Wire, address)
    async with Afterwards(lambda: end(wire)):
        return await wire.ask(*commands)


async def end(wire: Wire) -> None:
    """Cut *wire*, and wait until its socket is closed."""
    wire.cut(None)
    await asyncio.wait({wire.ended})


class Afterwards:
    """Awaits *what* at the end of a block, unless the loop was closed or forgotten meanwhile.

    A coroutine is ended by GeneratorExit then, and nothing can be awaited any more: a ``finally``
    that does would leave a traceback behind.
    """

    def __init__(self, what: Callable[[], Awaitable[None]]) -> None:
        self._what = what

    async def __aenter__(self) -> None:
        """Nothing is to be done before."""

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            await self._what()
