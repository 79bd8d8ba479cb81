"""What `serve` and `connect` are told, in the form that connections take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from ..protocol.extensions import Extension

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Compression",
    "Overflow",
    "enabled_extensions",
    "queue_limit",
    "unsent_limit",
    "write_buffer_limit",
]

# What becomes of a message beyond `max_unsent`.
Overflow: TypeAlias = Literal["wait", "drop_newest", "drop_oldest", "close"]
# The usual permessage-deflate, one with options of its own, or none.
Compression: TypeAlias = "Literal['deflate'] | Extension | None"


def enabled_extensions(
    compression: Compression, extensions: Sequence[Extension]
) -> tuple[Extension, ...]:
    """What may be negotiated, in order of preference. Raises ValueError."""
    if compression is None:
        return tuple(extensions)
    if compression == "deflate":
        from ..protocol.deflate import PerMessageDeflate

        return (*extensions, PerMessageDeflate())
    if not isinstance(compression, Extension):
        raise ValueError(f"compression is 'deflate', an extension or None, not {compression!r}")
    return (*extensions, compression)


def queue_limit(max_queue: int | None, max_size: int | None) -> tuple[int | None, int | None]:
    """Messages and bytes that may wait to be taken."""
    return max_queue, None if max_size is None else 4 * max_size


def unsent_limit(max_unsent: int | None, overflow: Overflow) -> tuple[int | None, Overflow]:
    """Bytes that may be unsent, and what becomes of more. Raises ValueError."""
    if overflow not in get_args(Overflow):
        raise ValueError(f"overflow is one of {', '.join(get_args(Overflow))}, not {overflow!r}")
    return max_unsent, overflow


def write_buffer_limit(write_limit: int) -> int:
    """Bytes that a transport may hold before writers wait. Raises ValueError."""
    if write_limit < 0:
        raise ValueError(f"write_limit is a number of bytes, not {write_limit!r}")
    return write_limit
