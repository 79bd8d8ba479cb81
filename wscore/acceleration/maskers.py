"""Maskers that know their position in the payload, as wsaccel introduced them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _backend

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["XorMasker", "octets"]


def octets(data: Buffer) -> bytes | bytearray | memoryview:
    """*data* without gaps, copied only where it has some.

    Raises TypeError, or ValueError when its items are not single bytes.
    """
    if isinstance(data, (bytes, bytearray)):
        return data
    view = memoryview(data)
    if view.itemsize != 1:
        raise ValueError(f"expected items of one byte, not of format {view.format!r}")
    return view.cast("B") if view.c_contiguous else bytes(view)


class XorMasker:
    """Masks a payload that comes in pieces; *mask* is checked by who calls."""

    __slots__ = ("_mask", "_position")

    def __init__(self, mask: bytes) -> None:
        self._mask = mask
        self._position = 0

    def pointer(self) -> int:
        """How many bytes of the payload were masked so far."""
        return self._position

    def reset(self) -> None:
        """Start with the next payload under the same mask."""
        self._position = 0

    def process(self, data: Buffer) -> bytes:
        """Mask the next piece."""
        position = self._position
        try:
            masked = _backend.apply_mask(data, self._mask, position)
        except BufferError:
            masked = _backend.apply_mask(octets(data), self._mask, position)
        self._position = position + len(masked)
        return masked
