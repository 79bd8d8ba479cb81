"""Decisions of a target, read from the front of its input, so that a mutation can change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")


class Choices:
    """Reads *data* from the front; a choice for which nothing is left is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def number(self) -> int:
        """One byte."""
        taken = self.take(1)
        return taken[0] if taken else 0

    def flag(self) -> bool:
        return self.number() & 1 == 1

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number() % len(options)]

    def take(self, size: int) -> bytes:
        taken = self._data[self._position : self._position + size]
        self._position += len(taken)
        return taken

    def text(self) -> bytes:
        """What a length of one byte announces, or as much of it as there is."""
        return self.take(self.number())

    def rest(self) -> bytes:
        return self.take(len(self._data))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut *data* into pieces of *size* bytes, all of it at once when that is 0."""
    for start in range(0, len(data), size or len(data) or 1):
        yield data[start : start + (size or len(data))]
