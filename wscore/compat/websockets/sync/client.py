"""The name of a connection, which packages import for annotations; `connect` is not here yet."""

from __future__ import annotations

from . import missing

__all__ = ["ClientConnection"]


class ClientConnection:
    """For annotations and `isinstance`: there are no such connections yet."""


__getattr__ = missing(__name__)
