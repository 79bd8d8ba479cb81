"""Lua scripts that run in Redis, by the hashes of their sources."""

from __future__ import annotations

from hashlib import sha1
from typing import Any, NamedTuple

__all__ = ["Command", "Script"]

Command = tuple[Any, ...]
"""A command and its arguments: bytes, str and int."""


class Script(NamedTuple):
    """A script that Redis has loaded, or will."""

    source: str
    digest: str

    @classmethod
    def of(cls, source: str) -> Script:
        """The script with this *source*."""
        return cls(source, sha1(source.encode(), usedforsecurity=False).hexdigest())

    def command(self, keys: tuple[str, ...], *arguments: Any) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)
