"""Remembers replaced objects, so that the very same ones can be put back."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["Replacements"]

_ABSENT: Any = object()


class _Attribute(NamedTuple):
    place: str
    own: Any
    new: Any


class _Module(NamedTuple):
    place: str
    own: Any
    new: ModuleType


def _holder(place: str) -> tuple[Any, str] | None:
    """Return the object and the name that *place* stands for; None before it is imported.

    A place is written ``module:name`` or ``module:Class.name``.
    """
    module_name, _, path = place.partition(":")
    holder: Any = sys.modules.get(module_name)
    if holder is None:
        return None
    *owners, name = path.split(".")
    for owner in owners:
        holder = getattr(holder, owner)
    return holder, name


class Replacements:
    """The replacements in one library, undone together, last first."""

    def __init__(self) -> None:
        self._made: list[_Attribute | _Module] = []

    def attribute(self, new: object, *places: str, own: object = _ABSENT) -> None:
        """Put *new* into *places*, which all hold the same function or class.

        The first place must be imported. Places that are imported later take their value from the
        first; `undo` restores them, too. *own* is what `undo` puts back where a place already has
        *new*. Raises AttributeError if a place does not exist.
        """
        for place in places:
            found = _holder(place)
            if found is not None:
                holder, name = found
                # vars(), not getattr(), to put a static method back as the same object.
                present = vars(holder).get(name, _ABSENT)
                if present is _ABSENT:
                    raise AttributeError(f"there is no {place}")
                if present is not new:
                    own = present
                    setattr(holder, name, new)
            self._made.append(_Attribute(place, own, new))

    def module(self, name: str, new: ModuleType) -> None:
        """Make an import of *name* find *new*."""
        self._made.append(_Module(name, sys.modules.get(name, _ABSENT), new))
        sys.modules[name] = new

    def undo(self) -> list[str]:
        """Put everything back. Return the places that other code has replaced since."""
        foreign = [made.place for made in reversed(self._made) if not _put_back(made)]
        self._made.clear()
        return foreign


def _put_back(made: _Attribute | _Module) -> bool:
    if isinstance(made, _Module):
        if sys.modules.get(made.place) is not made.new:
            return False
        if made.own is _ABSENT:
            del sys.modules[made.place]
        else:
            sys.modules[made.place] = made.own
        return True
    found = _holder(made.place)
    if found is None:
        return True
    holder, name = found
    if vars(holder).get(name) is not made.new:
        # A later place that was imported before the first one changed still holds its own.
        return vars(holder).get(name) is made.own
    setattr(holder, name, made.own)
    return True
