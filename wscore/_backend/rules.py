"""What a frame header may say, and what each violation is called (RFC 6455 5).

Each backend tests legality in its own fast code and takes the verdict from here, so that the
compiled and the pure reader report the same error for the same bytes. So do other rules and limits
that both share.
"""

from __future__ import annotations

from ..codes import CloseCode
from ..errors import PayloadTooBig, ProtocolError

__all__ = [
    "LARGE",
    "MAX_CONTROL_PAYLOAD",
    "MAX_FRAGMENTS",
    "MAX_FRAME",
    "MAX_SIZE",
    "TLS_AT_ONCE",
    "TLS_PIECE",
    "TLS_PLAINTEXT",
    "TLS_RECORDS",
    "WHOLE",
    "check_encodable",
    "decoded",
    "header_violation",
    "invalid_text",
    "length_violation",
    "message_too_big",
    "not_a_connection",
    "reader_in_use",
    "too_many_fragments",
    "used_after_failure",
    "write_marks",
    "writer_failed",
]

MAX_CONTROL_PAYLOAD = 125
# Limits on a received message unless the caller says otherwise: bytes, and frames.
MAX_SIZE = 1048576
MAX_FRAGMENTS = 4096
# Larger messages are sent in several frames, so that a ping does not wait behind 100 MB.
MAX_FRAME = 1048576
# Bytes, or characters of text: larger messages are encoded and compressed on another thread.
LARGE = 65536
# TLS: bytes of plaintext that one record holds at most (RFC 8446 5.1); bytes of ciphertext that
# OpenSSL gets at once (what they cut a record of is read for nothing, and a message of 64 KiB takes
# 15 % longer with half of it); records that are decrypted in one step, and those written in one.
TLS_PLAINTEXT = 16384
TLS_PIECE = 69632
TLS_RECORDS = 64
TLS_AT_ONCE = 8
# Types that are one message; other iterables are the fragments of one.
WHOLE = frozenset({str, bytes, bytearray, memoryview})
_KNOWN = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})


def header_violation(first: int, second: int) -> ProtocolError | None:
    """Judge the two bytes that every frame starts with, whatever state the connection is in."""
    opcode, length = first & 0x0F, second & 0x7F
    if opcode not in _KNOWN:
        return ProtocolError(f"reserved opcode 0x{opcode:x}")
    if opcode >= 0x8:
        if not first & 0x80:
            return ProtocolError("fragmented control frame")
        if length > MAX_CONTROL_PAYLOAD:
            return ProtocolError("control frame of more than 125 bytes")
    return None


def context_violation(
    first: int, second: int, masked: bool, deflate: bool, in_message: bool
) -> ProtocolError:
    """Name what is wrong with a frame that a reader in this state refused."""
    plain = header_violation(first, second)
    if plain is not None:
        return plain
    opcode = first & 0x0F
    if bool(second & 0x80) is not masked:
        return ProtocolError(
            "unmasked frame from a client" if masked else "masked frame from a server"
        )
    if first & 0x30:
        return ProtocolError("RSV2 or RSV3 set without an extension that defines it")
    if first & 0x40 and not deflate:
        return ProtocolError("RSV1 set without an extension that defines it")
    if first & 0x40 and opcode not in (0x1, 0x2):
        return ProtocolError("RSV1 set on a control or continuation frame")
    if in_message:
        return ProtocolError("new data frame inside a fragmented message")
    return ProtocolError("continuation frame without a message to continue")


def length_violation(length: int) -> ProtocolError:
    """Name what is wrong with an extended payload length (RFC 6455 5.2)."""
    if length >> 63:
        return ProtocolError("payload length with its top bit set")
    return ProtocolError("payload length not in its shortest form")


def message_too_big(max_size: int) -> PayloadTooBig:
    return PayloadTooBig(f"message of more than {max_size} bytes")


def fragment_too_big(max_fragment_size: int) -> PayloadTooBig:
    return PayloadTooBig(f"fragment of more than {max_fragment_size} bytes")


def too_many_fragments(max_fragments: int) -> ProtocolError:
    return ProtocolError(
        f"message of more than {max_fragments} fragments", CloseCode.POLICY_VIOLATION
    )


def invalid_text() -> ProtocolError:
    return ProtocolError("text message is not UTF-8", CloseCode.INVALID_DATA)


def used_after_failure() -> ProtocolError:
    return ProtocolError("this reader has failed: what follows must be discarded")


def reader_in_use() -> RuntimeError:
    return RuntimeError("this reader is in use, by another thread or further up the stack")


def writer_failed() -> RuntimeError:
    return RuntimeError("this writer has failed: part of its output was lost")


def check_encodable(opcode: int, length: int, fin: bool, rsv1: bool) -> None:
    """Refuse to write a frame that a strict peer must refuse to read.

    Raises ValueError.
    """
    if opcode not in _KNOWN:
        raise ValueError(f"reserved opcode 0x{opcode:x}")
    if opcode >= 0x8:
        if not fin:
            raise ValueError("a control frame cannot be fragmented")
        if length > MAX_CONTROL_PAYLOAD:
            raise ValueError("a control frame carries at most 125 bytes")
    if rsv1 and opcode not in (0x1, 0x2):
        raise ValueError("RSV1 belongs on the first frame of a message")


def decoded(message: str | bytes, decode: bool) -> str | bytes:
    """A received message as `Connection.recv` is asked for it. Raises UnicodeDecodeError."""
    if decode:
        return message.decode() if isinstance(message, bytes) else message
    return message.encode() if isinstance(message, str) else message


def write_marks(high: int | None, low: int | None) -> tuple[int, int]:
    """What the arguments of `asyncio.WriteTransport.set_write_buffer_limits` mean: high, low.

    In bytes. Raises ValueError.
    """
    if high is None:
        high = 65536 if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return high, low


def not_a_connection(found: object) -> str:
    """What the TypeError says of an object among the connections to broadcast to."""
    return f"a connection of wscore was expected, not {type(found).__name__}"
