"""Put the modules of `wscore.compat` under the names of the libraries that they stand in for.

A finder at the front of `sys.meta_path` answers for the library's name and all names below it with
the very modules of `wscore.compat`, so that there is one object of each module and of each class,
whatever name it was imported by. Modules of the library itself that were imported before are kept
aside and come back with `uninstall`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution, DistributionFinder

__all__ = ["install", "installed", "uninstall"]

_LIBRARIES = ("websockets",)


def install(*libraries: str) -> None:
    """Let wscore stand in for *libraries*: ``import websockets`` gives wscore's modules.

    Also for packages that import the library themselves. Code that has imported it before keeps
    what it has, and an acceleration of it is undone. ``importlib.metadata.version`` gives the
    release whose names are offered. A second call changes nothing. Raises ValueError for an
    unknown library, or without any.
    """
    chosen = _named(libraries)
    with _lock:
        for library in chosen:
            if library not in _installed:
                _installed[library] = _StandIn(library)


def uninstall(*libraries: str) -> None:
    """Undo `install`; without arguments, of every library. Raises ValueError for an unknown one.

    The library's own modules come back as they were. Code that has imported the stand-in keeps it.
    """
    chosen = _named(libraries) if libraries else _LIBRARIES
    with _lock:
        for library in chosen:
            if (stand_in := _installed.pop(library, None)) is not None:
                stand_in.remove()


def installed() -> tuple[str, ...]:
    """The libraries that wscore stands in for now."""
    with _lock:
        return tuple(_installed)


def _named(libraries: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in libraries if name not in _LIBRARIES]
    if unknown or not libraries:
        named = f"unknown: {', '.join(unknown)}" if unknown else "no library named"
        raise ValueError(f"{named}; known are {', '.join(_LIBRARIES)}")
    return libraries


class _StandIn(MetaPathFinder):
    """The finder of one library, in force from its making until `remove`."""

    def __init__(self, library: str) -> None:
        self.library = library
        target = f"{__package__}.{library}"
        self.loader = _Aliases(library, target)
        module = import_module(target)  # before anything is changed, in case that it fails
        acceleration = sys.modules.get("wscore.acceleration.table")
        if acceleration is not None:  # it would look for the library by its name, to undo itself
            acceleration.restore(library)
        self.let_imports_end()
        self.own = self.take_out()
        sys.meta_path.insert(0, self)
        sys.modules[library] = module

    def remove(self) -> None:
        sys.meta_path.remove(self)
        self.take_out()
        sys.modules.update(self.own)

    def let_imports_end(self) -> None:
        """Wait for imports of the library that other threads have begun: their modules are needed.

        One of our own thread, which is importing the library now, cannot be waited for.
        """
        waited: set[str] = set()
        while under_way := self.under_way() - waited:
            for name in under_way:
                with suppress(ImportError):  # it is for the other thread to handle
                    import_module(name)
            waited |= under_way

    def under_way(self) -> set[str]:
        """The names of the library's modules that are being imported."""
        modules = {name: sys.modules.get(name) for name in list(sys.modules) if self.is_for(name)}
        specs = {name: getattr(module, "__spec__", None) for name, module in modules.items()}
        return {name for name, spec in specs.items() if getattr(spec, "_initializing", False)}

    def take_out(self) -> dict[str, ModuleType]:
        """Take the modules that have the library's name out of `sys.modules`."""
        return {name: sys.modules.pop(name) for name in list(sys.modules) if self.is_for(name)}

    def is_for(self, name: str) -> bool:
        return name == self.library or name.startswith(f"{self.library}.")

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self.is_for(name) or find_spec(self.loader.real_name(name)) is None:
            return None
        return self.loader.spec_of(name)

    def find_distributions(self, context: DistributionFinder.Context) -> Iterator[Distribution]:
        """What `importlib.metadata` finds under the library's name (it asks for this method)."""
        if context.name is None or context.name.lower() == self.library:
            from .metadata import StandInDistribution

            version = import_module(f"{self.loader.target}.version").version
            yield StandInDistribution(self.library, version)


class _Aliases(Loader):
    """Loads a module of *library* by importing the one of *target* in the same place."""

    def __init__(self, library: str, target: str) -> None:
        self.library = library
        self.target = target

    def spec_of(self, name: str) -> ModuleSpec:
        return ModuleSpec(name, self, origin=self.real_name(name))

    def real_name(self, name: str) -> str:
        return self.target + name.removeprefix(self.library)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.real_name(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's spec into the module: reloading needs its own.
        alias = module.__spec__
        assert alias is not None
        module.__spec__ = alias.loader_state


_lock = RLock()
_installed: dict[str, _StandIn] = {}
