"""What was seen of the endpoint under attack, read from the bytes that it sent."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from support import oracles
from support.oracles import Violation, WireFrame

from .vocabulary import BINARY, CLOSE, CONT, PONG, TEXT, Role

__all__ = ["Seen", "frames", "read"]

_TAIL = b"\x00\x00\xff\xff"  # what RFC 7692 7.2.1 has the sender leave out


@dataclass
class Seen:
    """``close`` is the code of the Close, 1005 for an empty one, None when there was none.

    ``wrong`` tells what an endpoint must never send: unfinished or illegal frames, or any after
    its Close.
    """

    opened: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    messages: list[str | bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None
    ended: bool = False
    wrong: str | None = None

    def __str__(self) -> str:
        """In a few words, for tables and for failures."""
        told = [] if self.status is None else [f"status {self.status}"]
        if self.messages:
            told.append(f"delivered {', '.join(_shown(message) for message in self.messages)}")
        if self.close is not None:
            told.append(f"Close {self.close}")
        if self.wrong is not None:
            told.append(self.wrong)
        told.append("stream ended" if self.ended else "stream not ended")
        return ", ".join(told)


def _shown(message: str | bytes) -> str:
    return repr(message) if len(message) <= 20 else f"{len(message)} {type(message).__name__}"


def read(role: Role, output: bytes) -> Seen:
    """Read what an endpoint of *role* sent: for a server an HTTP head, then frames."""
    seen = Seen()
    if role is Role.SERVER:
        start, found, output = output.partition(b"\r\n\r\n")
        if not found:
            return seen
        line, *fields = start.decode("latin-1").split("\r\n")
        seen.status = int(line.split(" ")[1])
        seen.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (field.partition(":") for field in fields)
        }
        seen.opened = seen.status == 101
        if not seen.opened:
            return seen
    try:
        _take_frames(seen, output, masked=role is Role.CLIENT)
    except (Violation, UnicodeDecodeError, zlib.error) as error:
        seen.wrong = f"sent what is no legal frame: {error}"
    return seen


def _take_frames(seen: Seen, output: bytes, *, masked: bool) -> None:
    inflater = zlib.decompressobj(-15)
    kind, parts, compressed = TEXT, b"", False
    for frame in frames(output):
        if seen.close is not None:
            raise Violation("a frame after the Close")
        if (frame.mask is not None) is not masked:
            raise Violation("masked the wrong way")
        if frame.opcode == CLOSE:
            seen.close = int.from_bytes(frame.payload[:2], "big") if frame.payload else 1005
        elif frame.opcode == PONG:
            seen.pongs.append(frame.payload)
        elif frame.opcode in (TEXT, BINARY, CONT):
            if frame.opcode != CONT:
                kind, parts, compressed = frame.opcode, b"", bool(frame.rsv)
            parts += frame.payload
            if frame.fin:
                whole = inflater.decompress(parts + _TAIL) if compressed else parts
                seen.messages.append(whole.decode() if kind == TEXT else whole)


def frames(output: bytes) -> Iterator[WireFrame]:
    """The frames in *output*, unmasked. Raises Violation, for an unfinished one too."""
    start = 0
    while start < len(output):
        header = oracles.decode_header(output[start : start + 14])
        if header is None or start + header.size + header.length > len(output):
            raise Violation("an unfinished frame")
        body = output[start + header.size : start + header.size + header.length]
        payload = body if header.mask is None else _unmask(body, header.mask)
        yield WireFrame(header.opcode, payload, header.fin, header.rsv, header.mask)
        start += header.size + header.length


def _unmask(data: bytes, key: bytes) -> bytes:
    """As `oracles.xor`, but fast enough for echoes of a MiB."""
    keys = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(data), "big")
