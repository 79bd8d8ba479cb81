"""Cuts a stream of UTF-8 into messages of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._backend import is_utf8

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["TextCutter"]


class TextCutter:
    """Cuts what is read between characters: the beginning of one waits for its end."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        # At most three bytes.
        self._begun = b""

    @property
    def is_complete(self) -> bool:
        """Whether the stream may end here: no character has begun."""
        return not self._begun

    def cut(self, data: Buffer) -> bytes:
        """Return what is whole, which may be nothing. Raises ValueError for what is not UTF-8."""
        joined = self._begun + bytes(data)
        end = len(joined) - _unfinished(joined)
        whole, self._begun = joined[:end], joined[end:]
        if not is_utf8(whole):
            raise ValueError("not UTF-8")
        return whole


def _unfinished(data: bytes) -> int:
    """Bytes at the end of *data* that begin a character and may still become one."""
    for count, byte in enumerate(reversed(data[-3:]), 1):
        if byte < 0x80 or byte >= 0xF5:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return count if count < length else 0
    return 0
