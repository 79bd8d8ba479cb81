"""websockets where its C extension could not be built."""

from __future__ import annotations

from types import FunctionType

from websockets import utils

from ..contract import Call, Refused


def check() -> None:
    if not isinstance(utils.apply_mask, FunctionType):
        raise Refused("websockets.utils.apply_mask is not pure Python")


def apply_mask(data: bytes, mask: bytes) -> Call:
    return Call("mask(data, key)", mask=utils.apply_mask, data=data, key=mask)
