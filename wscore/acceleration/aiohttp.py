"""aiohttp: masking, by rebinding a name for sending and at C level for receiving.

When its compiled reader is imported, it takes a C function from ``aiohttp._websocket.mask`` and
keeps it. A module with wscore's function must be in that place before; after the import, only
sending can be accelerated.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from .base import (
    HELLO,
    HELLO_FRAME,
    HELLO_KEY,
    HELLO_MASKED,
    PURE,
    Accelerator,
    Refused,
    Releases,
    expect,
)

__all__ = ["Aiohttp"]

_PACKAGE = "aiohttp._websocket"
_MODULE = f"{_PACKAGE}.mask"
_FUNCTION = "_websocket_mask_cython"
_USERS = ("helpers", "writer", "reader_py")


class Aiohttp(Accelerator):
    library = "aiohttp"
    tested = Releases((3, 12), (3, 14))

    def __init__(self) -> None:
        super().__init__()
        self._own: ModuleType | None = None
        self._reads = False

    def install(self) -> str:
        if PURE:
            raise Refused("pure backend: would be slower than its own masking")
        why = "aiohttp's compiled reader was already imported"
        if _PACKAGE not in sys.modules:
            why = self._place_module()
        self._rebind()
        if f"{_PACKAGE}.reader_c" not in sys.modules or self._reads:
            return "sends and receives"
        return f"sends only: {why}"

    def _place_module(self) -> str:
        """Make aiohttp's import find wscore's C function. Return why that failed, or ""."""
        ours = _speedups().__pyx_capi__[_FUNCTION]
        self._own = _load_own_module()
        own = getattr(self._own, "__pyx_capi__", {}).get(_FUNCTION)
        # With another signature, importing aiohttp would fail.
        if own is None or _signature(own) != _signature(ours):
            return "the compiled reader expects a function with another signature"
        module = ModuleType(_MODULE, "Masking by wscore.")
        vars(module).update(
            {_FUNCTION: getattr(_speedups(), _FUNCTION), "__pyx_capi__": {_FUNCTION: ours}}
        )
        self.replacements.module(_MODULE, module)
        import_module(_PACKAGE)
        self._reads = f"{_PACKAGE}.reader_c" in sys.modules
        return ""

    def _rebind(self) -> None:
        import_module(_PACKAGE)
        self.replacements.attribute(
            getattr(_speedups(), _FUNCTION),
            *(f"{_PACKAGE}.{user}:websocket_mask" for user in _USERS),
            own=getattr(self._own, _FUNCTION, None),
        )

    def check(self) -> None:
        writer = import_module(f"{_PACKAGE}.writer")
        payload = bytearray(HELLO)
        writer.websocket_mask(HELLO_KEY, payload)
        expect(bytes(payload), HELLO_MASKED)
        reader = import_module(f"{_PACKAGE}.reader")
        protocol = SimpleNamespace(_reading_paused=False)
        queue = reader.WebSocketDataQueue(protocol, 1024, loop=None)
        _reader(reader.WebSocketReader, queue).feed_data(HELLO_FRAME)
        expect(_ready(queue.read()).data, HELLO.decode())

    def residue(self) -> str:
        keeps = "aiohttp's compiled reader keeps wscore's masking until the process ends"
        return keeps if self._reads else ""


def _speedups() -> ModuleType:
    """Return the compiled backend; imported late because it may be missing."""
    return import_module("wscore._speedups")


def _load_own_module() -> ModuleType | None:
    """Load aiohttp's own masking module, but not aiohttp; None if it is not compiled."""
    package = find_spec("aiohttp")
    places = (package and package.submodule_search_locations) or []
    spec = PathFinder.find_spec(_MODULE, [str(Path(place, "_websocket")) for place in places])
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[_MODULE] = module
    return module


def _signature(capsule: object) -> bytes | None:
    name = ctypes.pythonapi.PyCapsule_GetName  # PyPy has none, and no capsules of Cython either
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found: bytes | None = name(capsule)
    return found


def _reader(kind: Callable[..., Any], queue: Any) -> Any:
    unlimited, no_deflate, decode_text = 0, False, True
    try:
        return kind(queue, unlimited, no_deflate, decode_text)
    except TypeError:  # before 3.14 text was always decoded
        return kind(queue, unlimited, no_deflate)


def _ready(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that does not need to wait."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise AssertionError("aiohttp expects more data after a whole frame")
