"""tornado: the C extension that its WebSocket handler masks with."""

from __future__ import annotations

from tornado import speedups, websocket

from ..contract import Call, compiled, same


def check() -> None:
    compiled(speedups)
    same(
        "tornado.websocket._websocket_mask",
        websocket._websocket_mask,
        speedups.websocket_mask,
    )


def apply_mask(data: bytes, mask: bytes) -> Call:
    return Call("mask(key, data)", mask=speedups.websocket_mask, data=data, key=mask)
