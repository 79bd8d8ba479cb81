"""What connections and servers have done so far, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from ..protocol.opening import HandshakingProtocol
    from .connection.receive_queue import ReceiveQueue
    from .connection.send_queue import SendQueue
    from .server.connection import ServerConnection

__all__ = ["Counters", "ServerStats", "Stats", "measure"]


@dataclass(slots=True)
class Stats:
    """What has gone over a connection since it opened, and what waits at this moment.

    Bytes are those of whole frames, headers included, compressed where they are. Nothing counts
    while messages go by: the numbers are fetched from the reader and the writer when asked for.
    """

    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    pings_received: int = 0
    pings_sent: int = 0
    messages_dropped: int = 0
    """Messages that ``overflow`` or the end of the connection kept from being sent."""
    messages_waiting: int = 0
    """Messages received that the application has not taken."""
    bytes_unsent: int = 0
    """Bytes written that the system has not taken."""

    def add(self, other: Stats) -> None:
        """Add *other* to this."""
        for name in _NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_NAMES = tuple(field.name for field in fields(Stats))


@dataclass(slots=True)
class ServerStats:
    """What a server has done since it started.

    ``traffic`` is the sum over all connections, those that are gone included.
    """

    traffic: Stats
    connections: int
    """Connections now, with those whose opening handshake is under way."""
    connections_accepted: int
    """Connections that were let in."""
    handshakes_accepted: int
    handshakes_refused: dict[str, int]
    """By reason: see the documentation of the server."""
    http_answers: int
    """Answers to plain HTTP requests."""
    closes: dict[int, int]
    """Connections that ended, by the code of the first Close; 1006 without one."""


class Counters:
    """What a server remembers of connections that are gone."""

    __slots__ = ("accepted", "closes", "gone", "http_answers", "let_in", "refused")

    def __init__(self) -> None:
        self.let_in = 0
        self.accepted = 0
        self.http_answers = 0
        self.refused: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.gone = Stats()

    def closed(self, connection: ServerConnection) -> None:
        """Add up a connection that was open and is gone."""
        self.closes[_first_code(connection.protocol)] += 1
        self.gone.add(connection.stats)
        self.gone.messages_waiting = self.gone.bytes_unsent = 0

    def snapshot(self, connections: Iterable[ServerConnection], arrivals: int) -> ServerStats:
        """The numbers of a server with these *connections* and so many *arrivals*."""
        traffic = Stats()
        traffic.add(self.gone)
        count = arrivals
        for connection in connections:
            traffic.add(connection.stats)
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


def measure(
    protocol: HandshakingProtocol,
    transport: asyncio.Transport | None,
    inbox: ReceiveQueue | None,
    outbox: SendQueue | None,
) -> Stats:
    """The numbers of one connection, without a *transport* once it is gone."""
    reader, writer = protocol.reader, protocol.writer
    unsent = 0 if transport is None else transport.get_write_buffer_size() + len(writer)
    return Stats(
        messages_received=reader.messages,
        messages_sent=writer.messages,
        bytes_received=reader.nbytes,
        bytes_sent=writer.nbytes,
        pings_received=reader.pings,
        pings_sent=writer.pings,
        messages_dropped=0 if outbox is None else outbox.dropped,
        messages_waiting=0 if inbox is None else inbox.waiting,
        bytes_unsent=unsent if outbox is None else unsent + outbox.size,
    )


def _first_code(protocol: HandshakingProtocol) -> int:
    """The code of the side that began to close: what the other sends is its echo."""
    rcvd, sent = protocol.close_rcvd, protocol.close_sent
    first = (rcvd or sent) if protocol.close_rcvd_then_sent else (sent or rcvd)
    return 1006 if first is None else int(first.code)
