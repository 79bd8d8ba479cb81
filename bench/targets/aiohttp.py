"""aiohttp: its compiled mask and its compiled reader."""

from __future__ import annotations

from typing import Any

from aiohttp._websocket import helpers, mask, reader, reader_c

from ..contract import Call, compiled, same

LIMIT = 1 << 24  # bytes queued before it would pause; one read stays far below


def check() -> None:
    compiled(mask)
    compiled(reader_c)
    same(
        "aiohttp's websocket_mask",
        helpers.websocket_mask,
        mask._websocket_mask_cython,
    )
    same("aiohttp's WebSocketReader", reader.WebSocketReader, reader_c.WebSocketReader)


def apply_mask_inplace(buffer: bytearray, mask: bytes) -> Call:
    return Call(
        "mask(key, data)",
        mask=helpers.websocket_mask,
        data=buffer,
        key=mask,
        result=lambda _: bytes(buffer),
    )


class _Protocol:
    """The transport's side, which the queue would pause."""

    _reading_paused = False

    def pause_reading(self) -> None:
        raise AssertionError("the queue's limit was reached: not all of the read was parsed")


def read_messages(wire: bytes) -> Call:
    """A new queue to each read spares it `read()`, a coroutine to each message: in its favour."""
    protocol = _Protocol()

    def read() -> Any:
        queue = reader.WebSocketDataQueue(protocol, LIMIT, loop=None)
        failed, _ = reader.WebSocketReader(queue, LIMIT, False, True).feed_data(wire)
        assert not failed, queue.exception()
        return queue._buffer

    def texts(queued: Any) -> list[str]:
        return [message.data for message, _size in queued]

    return Call("read()", read=read, result=texts)
