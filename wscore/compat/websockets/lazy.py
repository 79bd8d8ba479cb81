"""Names that a module of this tree gets from another one when they are first asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    namespace: dict[str, Any],
    names: Mapping[str, str],
    *,
    deprecated: Mapping[str, str] | None = None,
    modules: Iterable[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` (PEP 562) of the module that *namespace* is of.

    *names* and *deprecated* say which module each name is in, relative to the package of this
    file. The deprecated ones warn each time, as in websockets. *modules* are submodules that are
    imported when they are asked for.
    """
    module = namespace["__name__"]
    old = deprecated or {}

    def __getattr__(name: str) -> Any:
        if name in names:
            value = getattr(import_module(names[name], __package__), name)
            return namespace.setdefault(name, value)
        if name in old:
            shown = module.removeprefix("wscore.compat.")
            warnings.warn(f"{shown}.{name} is deprecated", DeprecationWarning, stacklevel=2)
            return getattr(import_module(old[name], __package__), name)
        if name in modules:
            return import_module(f".{name}", module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*namespace, *names, *old, *modules})

    return __getattr__, __dir__
