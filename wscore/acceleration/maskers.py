"""Maskers that keep their position in the payload, as introduced by wsaccel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _backend

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["XorMasker", "octets"]


def octets(data: Buffer) -> bytes | bytearray | memoryview:
    """Return *data* as contiguous bytes, copied only if it is not contiguous.

    Raises TypeError if it is no buffer, ValueError if its items are not single bytes.
    """
    if isinstance(data, (bytes, bytearray)):
        return data
    view = memoryview(data)
    if view.itemsize != 1:
        raise ValueError(f"expected items of one byte, not of format {view.format!r}")
    return view.cast("B") if view.c_contiguous else bytes(view)


class XorMasker:
    """Masks a payload that comes in pieces. The caller checks *mask*."""

    __slots__ = ("_mask", "_position")

    def __init__(self, mask: bytes) -> None:
        self._mask = mask
        self._position = 0

    def pointer(self) -> int:
        """Return how many bytes of the payload have been masked."""
        return self._position

    def reset(self) -> None:
        """Start the next payload with the same mask."""
        self._position = 0

    def process(self, data: Buffer) -> bytes:
        """Return the next piece, masked."""
        position = self._position
        try:
            masked = _backend.apply_mask(data, self._mask, position)
        except BufferError:
            masked = _backend.apply_mask(octets(data), self._mask, position)
        self._position = position + len(masked)
        return masked
