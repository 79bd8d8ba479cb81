"""All accelerators, and the functions that use them."""

from __future__ import annotations

from threading import RLock

from .aiohttp import Aiohttp
from .autobahn import Autobahn
from .base import Accelerator
from .gevent_websocket import GeventWebsocket
from .report import Report
from .tornado import Tornado
from .websocket_client import WebsocketClient
from .websockets import Websockets
from .wsaccel import Wsaccel
from .wsproto import Wsproto

__all__ = ["accelerate", "restore", "survey"]

_ACCELERATORS: dict[str, Accelerator] = {
    accelerator.library: accelerator
    for accelerator in (
        Websockets(),
        Aiohttp(),
        Wsproto(),
        Tornado(),
        WebsocketClient(),
        Autobahn(),
        GeventWebsocket(),
        Wsaccel(),
    )
}
_lock = RLock()


def accelerate(*libraries: str) -> Report:
    """Make WebSocket libraries use wscore's kernels; without arguments, all that are installed.

    Imports the libraries. Each is accelerated only in tested releases, and only if it passes a
    self-test afterwards. Otherwise it stays unchanged, and the report says why. A second call
    changes nothing. aiohttp's compiled reader is accelerated only if aiohttp was not imported
    before. Raises ValueError for an unknown library.
    """
    with _lock:
        chosen = _named(libraries) or [each for each in _ACCELERATORS.values() if each.installed]
        return Report([each.apply() for each in chosen])


def restore(*libraries: str) -> Report:
    """Undo `accelerate`; without arguments, in every accelerated library.

    Raises ValueError for an unknown library.
    """
    with _lock:
        chosen = _named(libraries) or [each for each in _ACCELERATORS.values() if each.accelerated]
        return Report([each.revert() for each in chosen])


def survey() -> Report:
    """Report on every supported library: its version, the tested range, whether accelerated.

    Imports none of them and changes nothing.
    """
    with _lock:
        return Report([each.status() for each in _ACCELERATORS.values()])


def _named(libraries: tuple[str, ...]) -> list[Accelerator]:
    unknown = [name for name in libraries if name not in _ACCELERATORS]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(_ACCELERATORS)}")
    return [_ACCELERATORS[name] for name in libraries]
