"""Statistics of connections and servers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..protocol.opening import HandshakingProtocol
    from .connection.wire import Wire

__all__ = ["Counters", "ServerStats", "Stats", "measure"]


@dataclass(slots=True)
class Stats:
    """The traffic of a connection since it opened, and what is waiting now.

    Bytes are those of whole frames on the wire: with headers, and after compression. Statistics
    add no work to messages: reader and writer count anyway, and their numbers are read on request.
    """

    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    pings_received: int = 0
    pings_sent: int = 0
    messages_dropped: int = 0
    """Messages that were not sent because of ``overflow`` or the end of the connection."""
    messages_waiting: int = 0
    """Messages received but not yet taken by the application."""
    bytes_unsent: int = 0
    """Bytes written but not yet taken by the operating system."""

    def add(self, other: Stats) -> None:
        """Add the numbers of *other*."""
        for name in _NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_NAMES = tuple(field.name for field in fields(Stats))


@dataclass(slots=True)
class ServerStats:
    """The statistics of a server since it started.

    ``traffic`` is the sum over all connections, including closed ones.
    """

    traffic: Stats
    connections: int
    """Current connections, including those in the opening handshake."""
    connections_accepted: int
    """Connections within the limits."""
    handshakes_accepted: int
    handshakes_refused: dict[str, int]
    """By reason; docs/server.md lists the reasons."""
    http_answers: int
    """Answers to plain HTTP requests."""
    closes: dict[int, int]
    """Closed connections, by the code of the first Close frame; 1006 without one."""


class Counters:
    """Counts the handshakes and closed connections of a server."""

    __slots__ = ("accepted", "closes", "gone", "http_answers", "let_in", "refused")

    def __init__(self) -> None:
        self.let_in = 0
        self.accepted = 0
        self.http_answers = 0
        self.refused: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.gone = Stats()

    def closed(self, wire: Wire) -> None:
        """Count the end of a connection that was open."""
        self.closes[_first_code(wire.protocol)] += 1
        self.gone.add(measure(wire))
        self.gone.messages_waiting = self.gone.bytes_unsent = 0

    def snapshot(self, wires: Iterable[Wire], pending: int) -> ServerStats:
        """Return the statistics of a server with *wires* and *pending* clients."""
        traffic = Stats()
        traffic.add(self.gone)
        count = pending
        for wire in wires:
            traffic.add(measure(wire))
            count += 1
        return ServerStats(
            traffic=traffic,
            connections=count,
            connections_accepted=self.let_in,
            handshakes_accepted=self.accepted,
            handshakes_refused=dict(self.refused),
            http_answers=self.http_answers,
            closes=dict(self.closes),
        )


def measure(wire: Wire) -> Stats:
    """Return the statistics of one connection."""
    reader, writer = wire.protocol.reader, wire.protocol.writer
    receiver, queue = wire.receiver, wire.send_queue
    # A transport that is gone may not answer any more.
    unsent = 0 if wire.lost else wire.transport.get_write_buffer_size() + len(writer)
    return Stats(
        messages_received=reader.messages,
        messages_sent=writer.messages,
        bytes_received=reader.nbytes,
        bytes_sent=writer.nbytes,
        pings_received=reader.pings,
        pings_sent=writer.pings,
        messages_dropped=0 if queue is None else queue.dropped,
        messages_waiting=0 if receiver is None else receiver.waiting,
        bytes_unsent=unsent if queue is None else unsent + queue.size,
    )


def _first_code(protocol: HandshakingProtocol) -> int:
    """Return the code of the side that closed first: the other side's is an echo."""
    rcvd, sent = protocol.close_rcvd, protocol.close_sent
    first = (rcvd or sent) if protocol.close_rcvd_then_sent else (sent or rcvd)
    return int(CloseCode.ABNORMAL_CLOSURE if first is None else first.code)
