"""Heads of requests that differ in nothing but their key, as those of one kind of client do.

They are kept once for all connections.
"""

from __future__ import annotations

__all__ = ["KnownHead", "KnownHeads"]

# Heads that are remembered. One more, and all are forgotten but those that connections keep.
_MOST = 128


class KnownHead:
    """A head without its key, and where the key belongs."""

    __slots__ = ("_at", "_rest")

    def __init__(self, rest: bytes, at: int) -> None:
        self._rest = rest
        self._at = at

    def with_key(self, key: bytes) -> bytes:
        """The head of a client that sent *key*."""
        return self._rest[: self._at] + key + self._rest[self._at :]


class KnownHeads:
    """The heads that were seen lately."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def find(self, head: bytes, key: bytes) -> KnownHead | None:
        """What stands for a *head* with this *key*; None, and it is remembered, if it is new."""
        at = head.find(key)
        rest = head[:at] + head[at + len(key) :]
        known = self._known.get(rest)
        if known is not None and known._at == at:
            return known
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[rest] = KnownHead(rest, at)
        return None
