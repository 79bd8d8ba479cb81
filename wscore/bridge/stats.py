"""Statistics of a bridge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..aio.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .pipe import Pipe

__all__ = ["BridgeStats", "Counters"]


@dataclass(slots=True)
class BridgeStats:
    """What a bridge carries now, and has carried since it started, by the name of the target."""

    connections: dict[str, int]
    """Bridged now: both sides are open."""
    connections_opened: dict[str, int]
    """Bridged so far."""
    bytes_to_stream: dict[str, int]
    """Taken from WebSockets, for streams."""
    bytes_from_stream: dict[str, int]
    """Read from streams, for WebSockets."""
    bytes_unsent: int
    """Taken from WebSockets, and not yet taken by the streams."""
    failures: dict[str, int]
    """Connections that failed, by the reason; docs/bridge.md lists them."""

    _METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("wscore_bridge_connections", "Bridged now.", "connections", "target"),
        Metric(
            "wscore_bridge_connections_opened_total",
            "Bridged so far.",
            "connections_opened",
            "target",
        ),
        Metric(
            "wscore_bridge_bytes_to_stream_total",
            "Bytes from WebSockets to streams.",
            "bytes_to_stream",
            "target",
        ),
        Metric(
            "wscore_bridge_bytes_from_stream_total",
            "Bytes from streams to WebSockets.",
            "bytes_from_stream",
            "target",
        ),
        Metric("wscore_bridge_bytes_unsent", "Bytes that wait for streams.", "bytes_unsent"),
        Metric("wscore_bridge_failures_total", "Connections that failed.", "failures", "reason"),
    )


class Counters:
    """Counts what the connections of a bridge do; *names* are those of its targets."""

    __slots__ = ("failures", "from_stream", "open", "opened", "to_stream")

    def __init__(self, names: Iterable[str]) -> None:
        zeros = dict.fromkeys(names, 0)
        self.open = Counter(zeros)
        self.opened = Counter(zeros)
        # Of connections that are gone.
        self.to_stream = Counter(zeros)
        self.from_stream = Counter(zeros)
        self.failures: Counter[str] = Counter()

    def gone(self, pipe: Pipe) -> None:
        """Count what *pipe*, which has ended, has carried."""
        self.to_stream[pipe.name] += pipe.to_stream
        self.from_stream[pipe.name] += pipe.from_stream

    def snapshot(self, pipes: Iterable[Pipe]) -> BridgeStats:
        """The statistics, with those of *pipes* that have not ended."""
        to_stream, from_stream = Counter(self.to_stream), Counter(self.from_stream)
        unsent = 0
        for pipe in pipes:
            to_stream[pipe.name] += pipe.to_stream
            from_stream[pipe.name] += pipe.from_stream
            unsent += pipe.unsent
        return BridgeStats(
            connections=dict(self.open),
            connections_opened=dict(self.opened),
            bytes_to_stream=dict(to_stream),
            bytes_from_stream=dict(from_stream),
            bytes_unsent=unsent,
            failures=dict(self.failures),
        )
