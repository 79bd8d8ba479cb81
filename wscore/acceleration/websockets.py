"""websockets: masking, a function that each module using it imports by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any, TypeAlias

from .. import _backend, compat
from .base import (
    HELLO,
    HELLO_FRAME,
    PURE,
    REFUSED_BY_KERNEL,
    Accelerator,
    Refused,
    Releases,
    expect,
)

__all__ = ["Websockets"]

Masking: TypeAlias = Callable[[Any, Any], bytes]


def _masking(own: Masking) -> Masking:
    def apply_mask(data: Any, mask: Any) -> bytes:
        try:
            return _backend.apply_mask(data, mask)
        except REFUSED_BY_KERNEL:  # non-contiguous views, which websockets accepts
            return own(data, mask)

    return apply_mask


class Websockets(Accelerator):
    library = "websockets"
    tested = Releases((16, 1), (17, 4))

    def install(self) -> str:
        if self.library in compat.installed():
            raise Refused("wscore.compat stands in for it")
        frames = import_module("websockets.frames")
        compiled = "websockets.speedups" in sys.modules
        if PURE:
            own = (
                "slower than its compiled masking" if compiled else "no faster than its own masking"
            )
            raise Refused(f"pure backend: would be {own}")
        self.replacements.attribute(
            _masking(frames.apply_mask),
            # The legacy implementation, which may be imported later, imports it from there.
            "websockets.speedups:apply_mask" if compiled else "websockets.utils:apply_mask",
            "websockets.frames:apply_mask",
            "websockets.legacy.framing:apply_mask",
        )
        return "sends and receives"

    def check(self) -> None:
        frames = import_module("websockets.frames")
        reader = import_module("websockets.streams").StreamReader()
        reader.feed_data(HELLO_FRAME)
        frame = _returned(frames.Frame.parse(reader.read_exact, mask=True))
        expect(frame.data, HELLO)
        reader.feed_data(frame.serialize(mask=True))
        expect(_returned(frames.Frame.parse(reader.read_exact, mask=True)).data, HELLO)


def _returned(parsing: Generator[None, None, Any]) -> Any:
    """Return the result of a parser that already has all its bytes."""
    try:
        next(parsing)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("websockets expects more data after a whole frame")
