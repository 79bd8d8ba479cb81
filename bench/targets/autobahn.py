"""autobahn: its NVX extensions, as its protocol uses them."""

from __future__ import annotations

from autobahn import websocket
from autobahn.websocket import protocol

from ..contract import Call, Refused


def check() -> None:
    if not websocket.USES_NVX:
        raise Refused("autobahn runs without NVX")
    for used in (protocol.create_xor_masker, protocol.Utf8Validator):
        if not used.__module__.startswith("autobahn.nvx."):
            raise Refused(f"autobahn uses {used.__module__}.{used.__name__}, which is not NVX")


def hook() -> object:
    return protocol.create_xor_masker


def apply_mask(data: bytes, mask: bytes) -> Call:
    """A masker holds one frame's key, so there is a new one to each frame."""
    return Call(
        "masker(key, len(data)).process(data)",
        masker=protocol.create_xor_masker,
        data=data,
        key=mask,
        result=bytes,
    )


def is_utf8(data: bytes) -> Call:
    """One validator for a connection, reset for each message, as its protocol does."""
    validator = protocol.Utf8Validator()
    return Call(
        "(reset(), validate(data))[1]",
        reset=validator.reset,
        validate=validator.validate,
        data=data,
        result=lambda found: bool(found[0] and found[1]),
    )
