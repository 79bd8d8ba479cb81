"""Frames, and the content of Close frames (RFC 6455 5)."""

from __future__ import annotations

from typing import NamedTuple

from .codes import CloseCode, Opcode, close_code_name, is_sendable_close_code
from .errors import ProtocolError

__all__ = ["Close", "Frame", "FrameHeader"]


class FrameHeader(NamedTuple):
    """A parsed frame header.

    ``rsv`` holds RSV1, RSV2 and RSV3 as the bits 4, 2 and 1. ``mask`` is the masking key of four
    bytes, or None. ``length`` is the length of the payload, ``size`` that of the header, in bytes.
    """

    fin: bool
    rsv: int
    opcode: Opcode
    mask: bytes | None
    length: int
    size: int


class Frame(NamedTuple):
    """One frame, with an unmasked payload."""

    opcode: Opcode
    payload: bytes
    fin: bool = True
    rsv1: bool = False


class Close(NamedTuple):
    """The content of a Close frame. Code 1005 without a reason stands for an empty frame."""

    code: int = CloseCode.NO_STATUS_RCVD
    reason: str = ""

    def __str__(self) -> str:
        name = close_code_name(self.code)
        # For people and logs: the peer must not be able to forge or hide a line.
        reason = "".join([c if c.isprintable() else repr(c)[1:-1] for c in self.reason])
        return f"{int(self.code)} ({name}) {reason}".rstrip()

    @classmethod
    def parse(cls, payload: bytes) -> Close:
        """Parse the body of a Close frame (RFC 6455 5.5.1).

        Raises ProtocolError: 1002 for a body of one byte or a code that must not be sent, 1007
        for a reason that is not UTF-8.
        """
        if not payload:
            return cls()
        if len(payload) == 1:
            raise ProtocolError("close frame has a body of one byte")
        code = int.from_bytes(payload[:2], "big")
        if not is_sendable_close_code(code):
            raise ProtocolError(f"close code {code} is not allowed in a frame")
        try:
            return cls(code, payload[2:].decode())
        except UnicodeDecodeError:
            raise ProtocolError("close reason is not UTF-8", CloseCode.INVALID_DATA) from None

    def serialize(self) -> bytes:
        """Return the body of the Close frame.

        Raises ValueError if the code must not be sent or the reason is longer than 123 bytes.
        """
        if self.code == CloseCode.NO_STATUS_RCVD and not self.reason:
            return b""
        if not is_sendable_close_code(self.code):
            raise ValueError(f"close code {self.code} is not allowed in a frame")
        reason = self.reason.encode()
        if len(reason) > 123:
            raise ValueError(f"close reason has {len(reason)} bytes, at most 123 are allowed")
        return self.code.to_bytes(2, "big") + reason
