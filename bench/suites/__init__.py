"""The suites: each module's ``cases()`` returns what it measures."""

from __future__ import annotations

from importlib import import_module

from ..cases import Case

__all__ = ["SUITES", "cases"]

SUITES = ("mask", "utf8", "text", "reader", "frames", "twin", "acceleration")


def cases(suite: str) -> list[Case]:
    """Return the cases of *suite*."""
    found: list[Case] = import_module(f".{suite}", __name__).cases()
    return found
