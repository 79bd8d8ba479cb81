"""Opcodes and close codes (RFC 6455 5.2, 7.4, 11)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode", "Opcode", "close_code_name", "is_sendable_close_code"]


class Opcode(IntEnum):
    """Frame types (RFC 6455 11.8). Other values are reserved."""

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


# These describe how a connection ended and must not occur in a frame (RFC 6455 7.4.1).
_NEVER_ON_THE_WIRE = frozenset({1005, 1006, 1015})
_REGISTERED = frozenset(CloseCode) - _NEVER_ON_THE_WIRE


def is_sendable_close_code(code: int) -> bool:
    """Whether a Close frame may contain *code*, in either direction (RFC 6455 7.4.2)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def close_code_name(code: int) -> str:
    """Return the registered name of *code* in words, or the range that it belongs to."""
    if code in CloseCode._value2member_map_:
        return CloseCode(code).name.lower().replace("_", " ")
    return (
        "registered" if 3000 <= code < 4000 else "private use" if 4000 <= code < 5000 else "unknown"
    )
