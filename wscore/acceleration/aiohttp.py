"""aiohttp: masking, by rebinding for what it sends and at C level for what it receives.

Its compiled reader takes a C function out of the module ``aiohttp._websocket.mask`` when it is
imported, and never looks again. So a module with wscore's function is put there before that;
afterwards only sends are within reach.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from ctypes import c_char_p, py_object, pythonapi
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from .base import HELLO, HELLO_FRAME, HELLO_KEY, HELLO_MASKED, PURE, Lift, Refused, Releases, expect

__all__ = ["Aiohttp"]

_PACKAGE = "aiohttp._websocket"
_MODULE = f"{_PACKAGE}.mask"
_FUNCTION = "_websocket_mask_cython"
_USERS = ("helpers", "writer", "reader_py")


class Aiohttp(Lift):
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
        """Let aiohttp find wscore's C function when it is imported, or say why not."""
        ours = _speedups().__pyx_capi__[_FUNCTION]
        self._own = _load_own_module()
        own = getattr(self._own, "__pyx_capi__", {}).get(_FUNCTION)
        # With another signature, importing aiohttp would fail.
        if own is None or _signature(own) != _signature(ours):
            return "the compiled reader wants a function of another signature"
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
    """The compiled backend; the pure one has no C functions and does without this module."""
    return import_module("wscore._speedups")


def _load_own_module() -> ModuleType | None:
    """aiohttp's own masking module, without importing aiohttp; None where it is not compiled."""
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
    name = pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = c_char_p, [py_object]
    found: bytes | None = name(capsule)
    return found


def _reader(kind: Callable[..., Any], queue: Any) -> Any:
    unlimited, no_deflate, decode_text = 0, False, True
    try:
        return kind(queue, unlimited, no_deflate, decode_text)
    except TypeError:  # before 3.14 text was always decoded
        return kind(queue, unlimited, no_deflate)


def _ready(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise AssertionError("aiohttp wants more than a whole frame")
