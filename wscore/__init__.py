"""wscore: the WebSocket engine for Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._backend import (
    BACKEND,
    KERNEL,
    FrameWriter,
    MessageReader,
    ReadBuffer,
    Utf8Validator,
    apply_mask,
    apply_mask_inplace,
    decode_utf8,
    encode_frame,
    is_utf8,
    parse_header,
)
from ._version import __version__
from .errors import PayloadTooBig, ProtocolError, WebSocketError
from .frames import Close, CloseCode, Frame, FrameHeader, Opcode

if TYPE_CHECKING:
    from .lifts import accelerate, restore

__all__ = [
    "BACKEND",
    "KERNEL",
    "Close",
    "CloseCode",
    "Frame",
    "FrameHeader",
    "FrameWriter",
    "MessageReader",
    "Opcode",
    "PayloadTooBig",
    "ProtocolError",
    "ReadBuffer",
    "Utf8Validator",
    "WebSocketError",
    "__version__",
    "accelerate",
    "apply_mask",
    "apply_mask_inplace",
    "decode_utf8",
    "encode_frame",
    "is_utf8",
    "parse_header",
    "restore",
]

# Loaded when first asked for: importing wscore for its kernels costs no more than the kernels.
_LAZY = {"accelerate": "lifts", "restore": "lifts"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
