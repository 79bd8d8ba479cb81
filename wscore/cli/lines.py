"""The lines of stdin, read no faster than they are taken."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["MAX_LINE", "InputError", "Source", "chunks", "lines", "open_input"]

MAX_LINE = 16 << 20  # bytes; a file without line ends must not fill the memory
_CHUNK = 65536  # bytes; what is read ahead while earlier lines wait to be sent


class InputError(Exception):
    """The input cannot be sent. The text says why."""


class Source(Protocol):
    """What `lines` needs of a file: an unbuffered one has it."""

    def read(self, size: int, /) -> bytes | None: ...


def open_input() -> Source | None:
    """The unbuffered stdin; None if it was closed before the process began.

    Unbuffered, because a thread that waits in a buffered read would hold the buffer's lock, which
    the interpreter needs at its exit.
    """
    binary: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    return None if binary is None else getattr(binary, "raw", binary)


async def lines(source: Source) -> AsyncGenerator[str, None]:
    """Yield the lines of *source* without their ends, each chunk when the last one is used up.

    Raises InputError after the lines before what is wrong.
    """
    rest, number = bytearray(), 0
    async with aclosing(chunks(source)) as arriving:
        async for chunk in arriving:
            *whole, last = chunk.split(b"\n")
            for piece in whole:
                rest += piece
                number += 1
                yield _decode(rest, number)
                rest = bytearray()
            rest += last
            if len(rest) > MAX_LINE:
                raise InputError(f"line {number + 1} is longer than {MAX_LINE >> 20} MiB")
    if rest:
        yield _decode(rest, number + 1)


async def chunks(source: Source) -> AsyncGenerator[bytes, None]:
    """Yield what a thread reads, because not every file can be polled. Raises InputError."""
    reader = _Reader(source)
    try:
        while chunk := await reader.next():
            yield chunk
    finally:
        reader.stop()


def _decode(line: bytearray, number: int) -> str:
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        raise InputError(f"line {number} is not UTF-8") from None


class _Reader:
    """Reads chunks in a thread, each when it is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._wanted = threading.Semaphore(0)
        self._stopped = False
        self._answer: asyncio.Future[bytes] | None = None
        # A daemon, because a read that waits cannot be cancelled.
        threading.Thread(target=self._read, daemon=True, name="wscore-stdin").start()

    async def next(self) -> bytes:
        """The next chunk, ``b""`` at the end. Raises InputError."""
        self._answer = self._loop.create_future()
        self._wanted.release()
        return await self._answer

    def stop(self) -> None:
        """Let the thread end, at the latest when its read does."""
        self._stopped = True
        self._wanted.release()

    def _read(self) -> None:
        while True:
            self._wanted.acquire()
            if self._stopped:
                return
            chunk, error = b"", None
            try:
                chunk = self._source.read(_CHUNK) or b""
            except (OSError, ValueError) as failure:
                error = InputError(getattr(failure, "strerror", None) or str(failure))
            with suppress(RuntimeError):  # the loop is closed: the connection ended first
                self._loop.call_soon_threadsafe(self._deliver, chunk, error)

    def _deliver(self, chunk: bytes, error: InputError | None) -> None:
        if self._answer is None or self._answer.done():
            return
        if error is None:
            self._answer.set_result(chunk)
        else:
            self._answer.set_exception(error)
