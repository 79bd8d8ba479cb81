"""Inflating: any payload, in any fragments and limits, against a slow inflater on zlib."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from wscore.errors import PayloadTooBig, ProtocolError
from wscore.protocol.deflate import PerMessageDeflate

from ..choices import Choices
from ..seeds import TEXT

_LIMITS = (1 << 20, 0, 1, 5, 100, 1000, 65536)
_CHUNKS = (65536, 16, 64, 1000)
_BITS = (15, 9, 12)
_TAIL = b"\0\0\xff\xff"
# Whatever is larger is too big for every limit.
_MOST = 1 << 21


class Verdict(NamedTuple):
    """*content*, or None for what is no message.

    *doubtful* content may be refused as well, and *unfinished* content is what came of a block
    that is cut short: nothing is known of the messages that follow it.
    """

    content: bytes | None
    doubtful: bool = False
    unfinished: bool = False


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    bits, takeover = choices.pick(_BITS), not choices.flag()
    limit, chunk = choices.pick(_LIMITS), choices.pick(_CHUNKS)
    codec = _codec(bits, takeover, chunk)
    history = b""
    for _ in range(8):
        if not choices:
            break
        fragments = [choices.text() for _ in range(1 + choices.number() % 3)]
        expected = inflate(b"".join(fragments), history if takeover else b"", bits)
        found = _decode(codec, fragments, limit, chunk)
        if not _agree(found, expected, limit):
            raise AssertionError(f"{found!r:.200} of what is {expected!r:.200}, limit {limit}")
        if not isinstance(found, bytes) or expected.unfinished:
            break
        history = (history + found)[-(1 << bits) :]


def _codec(bits: int, takeover: bool, chunk: int) -> Any:
    """A server's codec whose client was told to keep to *bits* and *takeover*."""
    extension = PerMessageDeflate(
        client_no_context_takeover=not takeover, client_max_window_bits=bits, chunk_size=chunk
    )
    accepted = extension.accept([("client_max_window_bits", None)])
    assert accepted is not None
    assert dict(accepted[0]).get("client_max_window_bits", "15") == str(bits)
    return accepted[1]


def _decode(codec: Any, fragments: list[bytes], limit: int, chunk: int) -> bytes | int:
    """The message, or the close code of its violation."""
    content = b""
    try:
        for position, fragment in enumerate(fragments):
            fin = position == len(fragments) - 1
            for piece in codec.decode(fragment, fin, limit - len(content)):
                assert len(piece) <= chunk
                content += piece
    except (ProtocolError, PayloadTooBig) as violation:
        return violation.code
    assert len(content) <= limit
    return content


def _agree(found: bytes | int, expected: Verdict, limit: int) -> bool:
    content, doubtful, _ = expected
    if content is not None and len(content) > limit:
        # What is also wrong may be noticed first.
        return found == 1009 or (doubtful and isinstance(found, int))
    if content is None:
        # It may be too big long before it is wrong.
        return found in (1002, 1007, 1009)
    return found == content or (doubtful and isinstance(found, int))


def inflate(payload: bytes, history: bytes, bits: int) -> Verdict:
    """RFC 7692 7.2.2: the payload and the tail, through one stream after another."""
    content = b""
    if not payload:
        # Without a block for the tail to end this is no message, but it can only mean one thing.
        return Verdict(content, doubtful=True)
    inflater = _fresh(history, bits)
    try:
        while True:
            content += inflater.decompress(payload, _MOST)
            if len(content) >= _MOST:
                return Verdict(content)
            if not inflater.eof:
                break
            payload = inflater.unused_data
            inflater = _fresh(history + content, bits)
            if not payload:
                # It ended with the bytes: no empty block was begun for the tail to end.
                return Verdict(content, doubtful=True)
        # Nothing may come of the tail, which neither ends a stream nor is left in a block.
        if inflater.decompress(_TAIL) or inflater.eof:
            return Verdict(None)
    except zlib.error:
        return Verdict(None)
    # Of a block that is cut short zlib does not tell: what came of it may pass for the message.
    unfinished = not _is_at_a_block(inflater)
    return Verdict(content, doubtful=unfinished, unfinished=unfinished)


def _fresh(history: bytes, bits: int) -> Any:
    return zlib.decompressobj(-bits, zdict=history[-(1 << bits) :])


def _is_at_a_block(inflater: Any) -> bool:
    """Whether a last, empty block may follow."""
    probe = inflater.copy()
    try:
        return probe.decompress(b"\x01\0\0\xff\xff") == b"" and probe.eof
    except zlib.error:
        return False


def seeds() -> list[bytes]:
    def deflated(bits: int, mode: int, *parts: bytes) -> bytes:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -bits)
        written = b"".join(deflater.compress(part) + deflater.flush(mode) for part in parts)
        return written.removesuffix(_TAIL)

    payloads = (
        [deflated(9, zlib.Z_SYNC_FLUSH, TEXT)],
        [deflated(9, zlib.Z_SYNC_FLUSH, TEXT, TEXT)],
        [deflated(9, zlib.Z_FULL_FLUSH, b"a" * 5000)],
        [bytes.fromhex("f348cdc9c9070000"), bytes.fromhex("f200110000")],
        [bytes.fromhex("000500faff48656c6c6f00"), b"", b"\0"],
        [bytes.fromhex("f348cdc9c90700"), bytes.fromhex("f348cdc9c90700f248cdc9c90700")],
    )
    return [
        bytes((bits, 0, limit, 1))
        + b"".join(bytes((0, len(payload))) + payload for payload in messages)
        for messages in payloads
        for bits, limit in ((1, 0), (0, 4))
    ]
