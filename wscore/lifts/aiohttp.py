"""aiohttp: masking, through Python for what it sends and at C level for what it receives.

Its compiled reader takes a C function from the module ``aiohttp._websocket.mask`` when it is
imported, and never looks again. So a module with wscore's function is put there before; once
aiohttp is imported, only sends are within reach.
"""

from __future__ import annotations

import sys
from asyncio import new_event_loop
from ctypes import c_char_p, py_object, pythonapi
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from .. import _backend
from .base import HELLO, HELLO_FRAME, HELLO_KEY, HELLO_MASKED, PURE, Lift, Refused, Tested, expect

__all__ = ["Aiohttp"]

_MASK = "aiohttp._websocket.mask"
_FUNCTION = "_websocket_mask_cython"
_READER = "aiohttp._websocket.reader_c"
_PLACES = tuple(
    f"aiohttp._websocket.{module}:websocket_mask" for module in ("helpers", "writer", "reader_py")
)


def websocket_mask(mask: bytes, data: bytearray) -> None:
    """aiohttp's masking function where nothing is compiled."""
    _backend.apply_mask_inplace(data, mask)


class Aiohttp(Lift):
    library = "aiohttp"
    tested = Tested((3, 14), (3, 14))

    def __init__(self) -> None:
        super().__init__()
        self._reader_is_ours = False
