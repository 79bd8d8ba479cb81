"""Frames as websockets has them, on wscore's kernels. Opcodes and close codes are wscore's own."""

from __future__ import annotations

import os
import re
import secrets
from codecs import utf_8_decode
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..._backend import apply_mask, encode_frame, parse_header
from ...codes import CloseCode, Opcode, close_code_name, is_sendable_close_code
from ...errors import PayloadTooBig, ProtocolError
from ...frames import Close

if TYPE_CHECKING:
    from .extensions.base import Extension
    from .typing import BytesLike

__all__ = ["Close", "CloseCode", "Frame", "Opcode"]

CONT = OP_CONT = Opcode.CONT
TEXT = OP_TEXT = Opcode.TEXT
BINARY = OP_BINARY = Opcode.BINARY
CLOSE = OP_CLOSE = Opcode.CLOSE
PING = OP_PING = Opcode.PING
PONG = OP_PONG = Opcode.PONG

DATA_OPCODES = CONT, TEXT, BINARY
CTRL_OPCODES = CLOSE, PING, PONG

OK_CLOSE_CODES = {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD}
CLOSE_CODE_EXPLANATIONS: dict[int, str] = {code: close_code_name(code) for code in CloseCode}
EXTERNAL_CLOSE_CODES = {code for code in CloseCode if is_sendable_close_code(code)}

# The bits of a frame's first byte, and of the ``rsv`` of a parsed header.
_RSV1, _RSV2, _RSV3 = 4, 2, 1


@dataclass
class Frame:
    """One frame with an unmasked payload, ``data``."""

    opcode: Opcode
    data: BytesLike
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False

    MAX_LOG_SIZE: ClassVar[int] = int(os.environ.get("WEBSOCKETS_MAX_LOG_SIZE", "75"))
    """In characters: what `str` shows of a payload."""

    def __str__(self) -> str:
        shown, is_text = self._shown()
        kind = {TEXT: True, BINARY: False, CLOSE: True}.get(self.opcode)
        size = len(self.data)
        about = [f"{size} byte{'' if size == 1 else 's'}"]
        if is_text is not None and is_text is not kind:
            about.insert(0, "text" if is_text else "binary")
        if not self.fin:
            about.append("continued")
        return f"{self.opcode.name} {shown} [{', '.join(about)}]"

    def _shown(self) -> tuple[str, bool | None]:
        """The payload for people, and whether it looks like text; None where it is empty."""
        if not self.data:
            return "''", None
        data, most = bytes(self.data), self.MAX_LOG_SIZE
        if self.opcode is CLOSE:
            try:
                return str(Close.parse(data)), True
            except ProtocolError:
                return _elided_hex(data, most), False
        # As much as may be shown of a character's four bytes; the rest is left out anyway.
        start, end = data[: 4 * most], data[4 * most :][-4 * most :]
        if self.opcode in CTRL_OPCODES:
            # Four random bytes are valid UTF-8 too often.
            is_text = data.isascii() and is_utf8_fragment(data)
        else:
            is_text = is_utf8_fragment(
                start, self.opcode is not CONT, self.fin and not end
            ) and is_utf8_fragment(end, must_end_clean=self.fin)
        if not is_text:
            return _elided_hex(data, most), False
        return _elided(repr((start + end).decode(errors="replace")), most), True

    @classmethod
    def parse(
        cls,
        read_exact: Callable[[int], Generator[None, None, bytes | bytearray]],
        *,
        mask: bool,
        max_size: int | None = None,
        extensions: Sequence[Extension] | None = None,
    ) -> Generator[None, None, Frame]:
        """Read one frame: ``frame = yield from Frame.parse(reader.read_exact, mask=...)``.

        *mask* tells whether it must be masked. *extensions* decode it, the last one first. Raises
        EOFError, PayloadTooBig for more than *max_size* bytes, ProtocolError.
        """
        head = bytes((yield from read_exact(2)))
        missing = {126: 2, 127: 8}.get(head[1] & 0x7F, 0) + (4 if head[1] & 0x80 else 0)
        head += yield from read_exact(missing)
        header = parse_header(head)
        assert header is not None
        if (header.mask is not None) is not mask:
            raise ProtocolError("incorrect masking")
        if max_size is not None and header.length > max_size:
            raise PayloadTooBig(
                f"frame with {header.length} bytes exceeds limit of {max_size} bytes"
            )
        data: bytes | bytearray = yield from read_exact(header.length)
        if header.mask is not None:
            data = apply_mask(data, header.mask)
        rsv = header.rsv
        frame = cls(
            header.opcode,
            bytes(data),
            header.fin,
            bool(rsv & _RSV1),
            bool(rsv & _RSV2),
            bool(rsv & _RSV3),
        )
        for extension in reversed(extensions or ()):
            frame = extension.decode(frame, max_size=max_size)
        frame.check()
        return frame

    def serialize(self, *, mask: bool, extensions: Sequence[Extension] | None = None) -> bytes:
        """Return the frame as it goes on the wire, encoded by *extensions* and masked if *mask*.

        Raises ProtocolError for what no peer may accept.
        """
        self.check()
        frame = self
        for extension in extensions or ():
            frame = extension.encode(frame)
        rsv = frame.rsv1 * _RSV1 | frame.rsv2 * _RSV2 | frame.rsv3 * _RSV3
        key = secrets.token_bytes(4) if mask else None
        encoded = encode_frame(frame.opcode, frame.data, fin=frame.fin, mask=key)
        return bytes((encoded[0] | rsv << 4,)) + encoded[1:] if rsv else encoded

    def check(self) -> None:
        """Demand a frame that is legal without extensions. Raises ProtocolError."""
        if self.rsv1 or self.rsv2 or self.rsv3:
            raise ProtocolError("reserved bits must be 0")
        if self.opcode in CTRL_OPCODES:
            if len(self.data) > 125:
                raise ProtocolError("control frame too long")
            if not self.fin:
                raise ProtocolError("fragmented control frame")


def is_utf8_fragment(
    data: bytes, must_start_clean: bool = False, must_end_clean: bool = False
) -> bool:
    """Whether *data* looks like a part of a text; one that may be cut inside a character."""
    start = 0
    if not must_start_clean:
        while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
            start += 1
    try:
        text, _ = utf_8_decode(data[start:], "strict", must_end_clean)
    except UnicodeDecodeError:
        return False
    return _has_control(text) is None


# Control characters, but for white space.
_has_control = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]").search


def _elided(shown: str, most: int) -> str:
    """Leave out the middle of what is longer than *most* characters."""
    end = most // 3 - 1
    return shown if len(shown) <= most else f"{shown[: 2 * end]}...{shown[-end:]}"


def _elided_hex(data: bytes, most: int) -> str:
    end = (most // 3 - 1) // 3
    if len(data) <= most // 3:
        return data.hex(" ")
    return f"{data[: 2 * end].hex(' ')} ... {data[-end:].hex(' ')}"


def prepare_data(data: str | BytesLike) -> tuple[Opcode, bytes | bytearray | memoryview]:
    """Return the opcode and the payload of a message. Raises TypeError."""
    if isinstance(data, str):
        return TEXT, data.encode()
    return BINARY, _checked(data)


def prepare_ctrl(data: str | BytesLike) -> bytes:
    """Return the payload of a ping or a pong. Raises TypeError."""
    return data.encode() if isinstance(data, str) else bytes(_checked(data))


def _checked(data: BytesLike) -> BytesLike:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError("data must be str or bytes-like")
    return data
