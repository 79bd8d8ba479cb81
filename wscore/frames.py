"""The words of the protocol: opcodes, close codes, frames, what a Close says (RFC 6455 5, 7)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from .errors import ProtocolError

__all__ = [
    "Close",
    "CloseCode",
    "Frame",
    "FrameHeader",
    "Opcode",
    "close_code_name",
    "is_sendable_close_code",
]


class Opcode(IntEnum):
    """Frame types of RFC 6455 11.8; the values between are reserved."""

    CONT = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Close codes of the IANA registry (RFC 6455 11.7)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


# Reserved words for "there was none": they describe a close and never stand in a frame (7.4.1).
_NEVER_ON_THE_WIRE = frozenset({1005, 1006, 1015})
_REGISTERED = frozenset(CloseCode) - _NEVER_ON_THE_WIRE


def is_sendable_close_code(code: int) -> bool:
    """Whether *code* may stand in a Close frame, in either direction (RFC 6455 7.4.2)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def close_code_name(code: int) -> str:
    """The registered name of *code* in words, or which range it belongs to."""
    if code in CloseCode._value2member_map_:
        return CloseCode(code).name.lower().replace("_", " ")
    return (
        "registered" if 3000 <= code < 4000 else "private use" if 4000 <= code < 5000 else "unknown"
    )


class FrameHeader(NamedTuple):
    """A parsed frame header.

    ``rsv`` holds RSV1, RSV2 and RSV3 as the bits 4, 2 and 1; ``mask`` is the masking key of four
    bytes, or None; ``length`` is the payload's and ``size`` the header's own length in bytes.
    """

    fin: bool
    rsv: int
    opcode: Opcode
    mask: bytes | None
    length: int
    size: int


class Frame(NamedTuple):
    """One frame with its payload already unmasked."""

    opcode: Opcode
    payload: bytes
    fin: bool = True
    rsv1: bool = False


class Close(NamedTuple):
    """What a Close frame says; an empty one says 1005 and is written as an empty one again."""

    code: int = CloseCode.NO_STATUS_RCVD
    reason: str = ""

    def __str__(self) -> str:
        name = close_code_name(self.code)
        # For people and logs: a peer must not be able to forge or hide a line.
        reason = "".join([c if c.isprintable() else repr(c)[1:-1] for c in self.reason])
        return f"{int(self.code)} ({name}) {reason}".rstrip()

    @classmethod
    def parse(cls, payload: bytes) -> Close:
        """Read a Close frame's body (RFC 6455 5.5.1).

        Raises ProtocolError: 1002 for a body of one byte or a code that may not be sent,
        1007 for a reason that is not UTF-8.
        """
        if not payload:
            return cls()
        if len(payload) == 1:
            raise ProtocolError("close frame with a body of one byte")
        code = int.from_bytes(payload[:2], "big")
        if not is_sendable_close_code(code):
            raise ProtocolError(f"close code {code} is not allowed in a frame")
        try:
            return cls(code, payload[2:].decode())
        except UnicodeDecodeError:
            raise ProtocolError("close reason is not UTF-8", CloseCode.INVALID_DATA) from None

    def serialize(self) -> bytes:
        """Return the body of the Close frame.

        Raises ValueError when the code may not be sent or the reason is longer than 123 bytes.
        """
        if self.code == CloseCode.NO_STATUS_RCVD and not self.reason:
            return b""
        if not is_sendable_close_code(self.code):
            raise ValueError(f"close code {self.code} is not allowed in a frame")
        reason = self.reason.encode()
        if len(reason) > 123:
            raise ValueError(f"close reason of {len(reason)} bytes, 123 are allowed")
        return self.code.to_bytes(2, "big") + reason
