"""All lifts, and the two functions that use them."""

from __future__ import annotations

from threading import RLock

from .aiohttp import Aiohttp
from .autobahn import Autobahn
from .base import Lift
from .gevent_websocket import GeventWebsocket
from .report import Report
from .tornado import Tornado
from .websocket_client import WebsocketClient
from .websockets import Websockets
from .wsaccel import Wsaccel
from .wsproto import Wsproto

__all__ = ["accelerate", "restore", "survey"]

_LIFTS: dict[str, Lift] = {
    lift.library: lift
    for lift in (
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
    """Let WebSocket libraries use wscore's kernels; without arguments, every one installed.

    The libraries are imported. Each is lifted only in the releases that were tested, and only
    when it passes a self-test afterwards; what is not lifted stays as it was, and the report says
    why. Lifting twice changes nothing. aiohttp's compiled reader is reached only when aiohttp was
    not imported before. Raises ValueError for a library that is not known.
    """
    with _lock:
        chosen = _named(libraries) or [lift for lift in _LIFTS.values() if lift.installed]
        return Report([lift.apply() for lift in chosen])


def restore(*libraries: str) -> Report:
    """Put back what `accelerate` replaced; without arguments, in every library that is lifted.

    Raises ValueError for a library that is not known.
    """
    with _lock:
        chosen = _named(libraries) or [lift for lift in _LIFTS.values() if lift.lifted]
        return Report([lift.revert() for lift in chosen])


def survey() -> Report:
    """Every known library as it is now: installed or not, in the tested range, lifted.

    Imports none of them and changes nothing.
    """
    with _lock:
        return Report([lift.status() for lift in _LIFTS.values()])


def _named(libraries: tuple[str, ...]) -> list[Lift]:
    unknown = [name for name in libraries if name not in _LIFTS]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(_LIFTS)}")
    return [_LIFTS[name] for name in libraries]
