"""An extension that sets RSV2, for test modules of websockets; see ``../utils.py``."""

from __future__ import annotations

import dataclasses

from websockets.frames import Frame

__all__ = ["Rsv2Extension"]


class Rsv2Extension:
    name = "x-rsv2"

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        assert frame.rsv2
        return dataclasses.replace(frame, rsv2=False)

    def encode(self, frame: Frame) -> Frame:
        assert not frame.rsv2
        return dataclasses.replace(frame, rsv2=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rsv2Extension)
