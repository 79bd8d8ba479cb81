"""wscore with the backend and the kernel that it chose at import; the results name both."""

from __future__ import annotations

from typing import Any

import wscore

from ..contract import Call, compiled
from ..oracle import frame, messages, xor


def check() -> None:
    if wscore.BACKEND == "compiled":
        from wscore import _speedups

        compiled(_speedups)


def apply_mask(data: bytes, mask: bytes) -> Call:
    return Call("mask(data, key)", mask=wscore.apply_mask, data=data, key=mask)


def apply_mask_inplace(buffer: bytearray, mask: bytes) -> Call:
    return Call(
        "mask(data, key)",
        mask=wscore.apply_mask_inplace,
        data=buffer,
        key=mask,
        result=lambda _: bytes(buffer),
    )


def is_utf8(data: bytes) -> Call:
    return Call("is_utf8(data)", is_utf8=wscore.is_utf8, data=data)


def decode_utf8(data: bytes) -> Call:
    return Call("decode(data)", decode=wscore.decode_utf8, data=data)


def read_text(payload: bytes, mask: bytes) -> Call:
    """The reader does more than is asked of the rivals: it parses the frame's header as well."""
    wire = frame(xor(payload, mask), mask)
    feed = wscore.MessageReader(masked=True, max_size=None).feed
    return Call("feed(wire)", feed=feed, wire=wire, result=lambda found: found[0])


def read_messages(wire: bytes) -> Call:
    return Call("feed(wire)", feed=wscore.MessageReader(masked=True).feed, wire=wire)


def parse_header(data: bytes) -> Call:
    def fields(header: Any) -> tuple[bool, int, int]:
        return header.fin, header.opcode, header.length

    return Call("parse(data)", parse=wscore.parse_header, data=data, result=fields)


def encode_frame(payload: bytes, expected: bytes) -> Call:
    return Call("encode(1, payload)", encode=wscore.encode_frame, payload=payload)


def write_messages(texts: tuple[str, ...]) -> Call:
    writer = wscore.FrameWriter(masked=True)

    def write_all() -> list[bytes | memoryview]:
        write = writer.write
        for text in texts:
            write(1, text)
        return writer.take()

    return Call("write_all()", write_all=write_all, result=_texts)


def _texts(output: list[bytes | memoryview]) -> list[str]:
    return [payload.decode() for payload in messages(b"".join(output))]
