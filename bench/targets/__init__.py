"""One adapter for each contender: a module that checks its peer and offers operations.

An adapter has ``check()``, which raises Refused when the peer is not what the name says, and a
function named after each operation it offers, which takes the operation's arguments and returns
the Call to time. Where ``wscore.accelerate`` lifts the peer, ``hook()`` returns what it replaces.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from ..contract import Missing, Refused

__all__ = ["DISTRIBUTIONS", "load", "peer_versions"]

# Adapter: the distribution it needs; None where there is nothing to install.
DISTRIBUTIONS: dict[str, str | None] = {
    "wscore": None,
    "twin": None,
    "cpython": None,
    "websockets": "websockets",
    "websockets_pure": "websockets",
    "aiohttp": "aiohttp",
    "tornado": "tornado",
    "wsproto": "wsproto",
    "wsaccel": "wsaccel",
    "autobahn": "autobahn",
    "websocket_client": "websocket-client",
}


def peer_versions() -> dict[str, str | None]:
    """The installed version of every peer, None for those that are missing."""
    names = sorted({name for name in DISTRIBUTIONS.values() if name})
    return {name: _version(name) for name in names}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def load(contender: str) -> ModuleType:
    """Return the adapter of *contender*, its peer checked; ``name+wscore`` lifts the peer.

    Raises Missing when the peer is not installed, Refused when it is not what the name says.
    """
    name, _, lift = contender.partition("+")
    distribution = DISTRIBUTIONS[name]
    if distribution and _version(distribution) is None:
        raise Missing(f"{distribution} is not installed")
    try:
        target = import_module(f".{name}", __name__)
        target.check()
    except (ImportError, AttributeError) as changed:  # another release, built or laid out anew
        raise Refused(f"{name}: {changed}") from changed
    if lift:
        _lift(target, distribution or name)
    return target


def _lift(target: ModuleType, library: str) -> None:
    from wscore import accelerate

    before = target.hook()
    report = accelerate(library)
    if target.hook() is before:
        raise Refused(f"wscore.accelerate left {library} as it was: {report}")
