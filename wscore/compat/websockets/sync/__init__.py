"""websockets' API for threads: names for annotations. What connects and serves is not here yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["missing"]


def missing(module: str) -> Callable[[str], Any]:
    """Return ``__getattr__`` of *module*: what cannot be had is an ImportError that says so."""

    def __getattr__(name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        shown = module.removeprefix("wscore.compat.")
        raise ImportError(
            f"{shown}.{name}: wscore has no blocking client and server yet; "
            'use websockets.asyncio, or call wscore.compat.uninstall("websockets")',
            name=module,
        )

    return __getattr__
