"""websockets: its C extension for masks, its frames, its protocol without I/O."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from websockets import frames, speedups
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ..contract import Call, compiled, same
from ..oracle import messages


def check() -> None:
    compiled(speedups)
    same("websockets.frames.apply_mask", frames.apply_mask, speedups.apply_mask)


def apply_mask(data: bytes, mask: bytes) -> Call:
    return Call("mask(data, key)", mask=speedups.apply_mask, data=data, key=mask)


def read_text(payload: bytes, mask: bytes) -> Call:
    """What its frame parser and its connection do to a text once the header is read."""
    return Call("mask(data, key).decode()", mask=speedups.apply_mask, data=payload, key=mask)


def read_messages(wire: bytes) -> Call:
    """Its protocol hands up frames of bytes; the connection above decodes them, so we do too."""
    protocol = ServerProtocol(state=State.OPEN)

    def read() -> list[str]:
        protocol.receive_data(wire)
        return [frame.data.decode() for frame in protocol.events_received()]

    return Call("read()", read=read)


def parse_header(data: bytes) -> Call:
    def parse() -> Frame:
        at = 0

        def read_exact(size: int) -> Generator[None, None, bytes]:
            nonlocal at
            at += size
            return data[at - size : at]
            yield  # a generator, as the parser wants it, that never waits

        try:
            next(Frame.parse(read_exact, mask=True))
        except StopIteration as parsed:
            return parsed.value
        raise AssertionError("a whole frame was not enough")

    def fields(frame: Any) -> tuple[bool, int, int]:
        return frame.fin, frame.opcode, len(frame.data)

    return Call("parse()", parse=parse, result=fields)


def encode_frame(payload: bytes, expected: bytes) -> Call:
    return Call(
        "Frame(opcode, payload).serialize(mask=False)",
        Frame=Frame,
        opcode=Opcode.TEXT,
        payload=payload,
    )


def write_messages(texts: tuple[str, ...]) -> Call:
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)

    def write_all() -> list[bytes]:
        for text in texts:
            protocol.send_text(text.encode())
        return protocol.data_to_send()

    return Call("write_all()", write_all=write_all, result=_texts)


def _texts(output: list[bytes]) -> list[str]:
    return [payload.decode() for payload in messages(b"".join(output))]
