"""The name of a connection, which packages import for annotations; `serve` is not here yet."""

from __future__ import annotations

from . import missing

__all__ = ["ServerConnection"]


class ServerConnection:
    """For annotations and `isinstance`: there are no such connections yet."""


__getattr__ = missing(__name__)
