"""Names that a module gets from others when they are first asked for (PEP 562)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_import"]


def lazy_import(
    namespace: dict[str, Any],
    aliases: Mapping[str, str] | None = None,
    deprecated_aliases: Mapping[str, str] | None = None,
) -> None:
    """Give the module of *namespace* a ``__getattr__`` and a ``__dir__``.

    Both mappings tell the module that each name is in, relative to the package of *namespace*.
    Names of *deprecated_aliases* warn when they are asked for. Raises ValueError for a name that
    is there twice.
    """
    current, old = dict(aliases or {}), dict(deprecated_aliases or {})
    if current.keys() & old.keys() or namespace.keys() & (current.keys() | old.keys()):
        raise ValueError("a name is there twice")
    namespace["__getattr__"] = _getter(namespace, current, old)
    names = sorted({*namespace, *current, *old} - {"__getattr__"})
    namespace["__dir__"] = lambda: names


def _getter(
    namespace: dict[str, Any], current: Mapping[str, str], old: Mapping[str, str]
) -> Callable[[str], Any]:
    module = namespace["__name__"]
    # A module that is no package is in the one that its name begins with.
    package = namespace.get("__package__") or module

    def get(name: str) -> Any:
        if name in old:
            warnings.warn(f"{module}.{name} is deprecated", DeprecationWarning, stacklevel=2)
        elif name not in current:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(current.get(name) or old[name], package), name)

    return get
