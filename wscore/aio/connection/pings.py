"""Pings on their way to the peer (RFC 6455 5.5.2)."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    Waiter = asyncio.Future[float]

__all__ = ["Pings"]


class Pings:
    """Pings without an answer yet, and the latency of the last one that was answered."""

    __slots__ = ("_sent", "latency")

    def __init__(self) -> None:
        # By payload, in the order in which they were sent: who waits for the pong, and since when.
        # None while there are none: an empty dict takes 64 bytes of every idle connection.
        self._sent: dict[bytes, tuple[Waiter | None, float]] | None = None
        self.latency = 0.0
        """Seconds between the last ping that was answered and its pong; 0 before the first."""

    def __contains__(self, payload: bytes) -> bool:
        return self._sent is not None and payload in self._sent

    def __len__(self) -> int:
        """How many have no answer yet."""
        return len(self._sent or ())

    def sent(self, payload: bytes, waiter: Waiter | None) -> None:
        """A ping with *payload* was written; *waiter* gets its latency in seconds."""
        if self._sent is None:
            self._sent = {}
        self._sent[payload] = (waiter, perf_counter())

    def forget(self, payload: bytes) -> None:
        """Wait no longer for the pong to a ping of ours that nobody else waits for."""
        if self._sent is not None:
            self._sent.pop(payload, None)

    def acknowledge(self, payload: bytes) -> None:
        """A pong answers its ping and all pings before it (RFC 6455 5.5.3)."""
        pings = self._sent
        if pings is None or payload not in pings:
            return
        now = perf_counter()
        self.latency = now - pings[payload][1]
        for sent in list(pings):
            waiter, since = pings.pop(sent)
            if waiter is not None and not waiter.done():
                waiter.set_result(now - since)
            if sent == payload:
                break
        if not pings:
            self._sent = None

    def fail(self, error: Callable[[], Exception]) -> None:
        """The connection is gone: give all who wait what *error* returns."""
        pings, self._sent = self._sent, None
        for waiter, _ in (pings or {}).values():
            if waiter is not None and not waiter.done():
                waiter.set_exception(error())
                waiter.exception()  # waiting for a pong is optional
