"""wsproto: pure Python, the protocol under hypercorn, simple-websocket and uvicorn's second."""

from __future__ import annotations

from typing import Any

from wsproto import frame_protocol
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.frame_protocol import FrameDecoder, FrameProtocol

from ..contract import Call
from ..oracle import messages


def check() -> None:
    """Nothing to refuse: it has one implementation."""


def hook() -> object:
    return frame_protocol.XorMaskerSimple


def apply_mask(data: bytes, mask: bytes) -> Call:
    """A masker holds one frame's key, so there is a new one to each frame."""
    return Call(
        "Masker(key).process(data)",
        Masker=frame_protocol.XorMaskerSimple,
        data=bytearray(data),
        key=mask,
        result=bytes,
    )


def read_messages(wire: bytes) -> Call:
    connection = Connection(ConnectionType.SERVER)

    def read() -> list[str]:
        connection.receive_data(wire)
        return [event.data for event in connection.events()]

    return Call("read()", read=read)


def parse_header(data: bytes) -> Call:
    decoder = FrameDecoder(client=False)

    def parse() -> Any:
        decoder.receive_bytes(data)
        return decoder.process_buffer()

    def fields(frame: Any) -> tuple[bool, int, int]:
        return frame.frame_finished, frame.opcode, len(frame.payload)

    return Call("parse()", parse=parse, result=fields)


def encode_frame(payload: bytes, expected: bytes) -> Call:
    """It takes text as str only; its own encoding to UTF-8 is part of the price."""
    return Call(
        "send(payload)",
        send=FrameProtocol(client=False, extensions=[]).send_data,
        payload=payload.decode(),
        result=bytes,
    )


def write_messages(texts: tuple[str, ...]) -> Call:
    connection = Connection(ConnectionType.CLIENT)

    def write_all() -> bytes:
        return b"".join([connection.send(TextMessage(data=text)) for text in texts])

    return Call("write_all()", write_all=write_all, result=_texts)


def _texts(output: bytes) -> list[str]:
    return [payload.decode() for payload in messages(output)]
