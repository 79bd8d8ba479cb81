"""A buffer that generators read from: `Frame.parse`, `Request.parse` and `Response.parse`."""

from __future__ import annotations

from collections.abc import Generator

__all__ = ["StreamReader"]


class StreamReader:
    """Bytes of a stream, read by generators that yield while bytes are missing.

    One of the ``read_...`` generators may run at a time.
    """

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.eof = False

    def feed_data(self, data: bytes | bytearray) -> None:
        """Add *data*. Raises EOFError after `feed_eof`."""
        self._check_open()
        self.buffer += data

    def feed_eof(self) -> None:
        """End the stream. Raises EOFError when it has ended."""
        self._check_open()
        self.eof = True

    def _check_open(self) -> None:
        if self.eof:
            raise EOFError("stream ended")

    def discard(self) -> None:
        """Forget what was not read."""
        self.buffer.clear()

    def read_line(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """Read up to and with LF; raises *too_long_exc_type* beyond *m* bytes, EOFError."""
        searched = 0
        while not (size := self.buffer.find(b"\n", searched) + 1):
            searched = len(self.buffer)
            _check_size(searched, m, too_long_exc_type)
            if self.eof:
                raise EOFError(f"stream ends after {searched} bytes, before end of line")
            yield
        _check_size(size, m, too_long_exc_type)
        return self._take(size)

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """Read *n* bytes; raises EOFError when the stream ends before."""
        while len(self.buffer) < n:
            if self.eof:
                found = len(self.buffer)
                raise EOFError(f"stream ends after {found} bytes, expected {n} bytes")
            yield
        return self._take(n)

    def read_to_eof(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """Read to the end of the stream; raises *too_long_exc_type* beyond *m* bytes."""
        while not self.eof:
            _check_size(len(self.buffer), m, too_long_exc_type)
            yield
        return self._take(len(self.buffer))

    def at_eof(self) -> Generator[None, None, bool]:
        """Whether the stream has ended and everything was read; yields while that is not known."""
        while not self.buffer and not self.eof:
            yield
        return not self.buffer

    def _take(self, size: int) -> bytearray:
        taken = self.buffer[:size]
        del self.buffer[:size]
        return taken


def _check_size(size: int, most: int, error: type[Exception]) -> None:
    if size > most:
        raise error(f"read {size} bytes, expected no more than {most} bytes")
