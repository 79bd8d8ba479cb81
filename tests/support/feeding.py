"""What a peer sends, the ways in which it reaches a MessageReader, and what the events say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import oracles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.oracles import WireFrame

KEY = bytes.fromhex("37fa213d")
PIECES = (1, 2, 3, 7, 64, 1000, 1 << 30)


def wire(*frames: WireFrame, masked: bool = True) -> bytes:
    """Frames as the peer sends them; *masked* is that of a client."""
    mask = KEY if masked else None
    return b"".join(oracles.encode(frame._replace(mask=mask)) for frame in frames)


def header(length: int, opcode: int = 2, *, fin: bool = True, extended: int | None = None) -> bytes:
    """A client's header without any of its payload."""
    return oracles.encode_header(opcode, length, fin=fin, mask=KEY, extended=extended)


def feed_pieces(reader: Any, data: bytes, sizes: Iterable[int]) -> list[Any]:
    """`feed` piece by piece of *sizes*, what is left at the end at once, until it fails."""
    events: list[Any] = []
    for piece in _cut(data, sizes):
        events += reader.feed(piece)
        if events and isinstance(events[-1], Exception):
            break
    return events


def read_pieces(reader: Any, data: bytes, sizes: Iterable[int]) -> list[Any]:
    """The same through `get_buffer` and `commit`, as a BufferedProtocol does."""
    events: list[Any] = []
    for piece in _cut(data, sizes):
        while piece:
            view = reader.get_buffer(-1)
            taken = min(len(view), len(piece))
            view[:taken] = piece[:taken]
            piece = piece[taken:]
            events += reader.commit(taken)
            if events and isinstance(events[-1], Exception):
                return events
    return events


WAYS: tuple[Callable[[Any, bytes, Iterable[int]], list[Any]], ...] = (feed_pieces, read_pieces)


def pieces_of(size: int, data: bytes) -> list[int]:
    return [size] * (len(data) // size)


def comparable(events: list[Any]) -> list[Any]:
    """Events by value: errors by type, code and text, and str apart from equal tuples."""
    return [
        (type(event).__name__, event.code, str(event))
        if isinstance(event, Exception)
        else (type(event).__name__, event)
        for event in events
    ]


def failure(events: list[Any]) -> tuple[type[Exception], int]:
    """The violation that *events* end with, which has to be the only one."""
    assert events, "nothing was reported"
    *before, last = events
    assert isinstance(last, Exception), events
    assert not any(isinstance(event, Exception) for event in before)
    return type(last), last.code


def _cut(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    if start < len(data):
        yield data[start:]
