"""One adapter for each contender: a module that checks its library and offers operations.

An adapter has ``check()``, which raises Refused when the library is not what the name says, and a
function for each operation, named like it, which takes the operation's arguments and returns the
Call to time. If ``wscore.accelerate`` supports the library, ``hook()`` returns what it replaces.
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
    """Check the library of *contender* and return its adapter; ``name+wscore`` accelerates it.

    Raises Missing when it is not installed, Refused when it is not what the name says.
    """
    name, _, accelerated = contender.partition("+")
    distribution = DISTRIBUTIONS[name]
    if distribution and _version(distribution) is None:
        raise Missing(f"{distribution} is not installed")
    try:
        target = import_module(f".{name}", __name__)
        target.check()
    except (ImportError, AttributeError) as changed:  # another release, built or laid out anew
        raise Refused(f"{name}: {changed}") from changed
    if accelerated:
        _accelerate(target, distribution or name)
    return target


def _accelerate(target: ModuleType, library: str) -> None:
    from wscore import accelerate

    before = target.hook()
    report = accelerate(library)
    if target.hook() is before:
        raise Refused(f"wscore.accelerate left {library} as it was: {report}")
