"""A client's and a server's protocol back to back: no network, the bytes between cut in any way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import oracles
from wscore import ClientProtocol, Request, ServerProtocol, State
from wscore.protocol.connection import SEND_EOF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wscore.protocol.connection import Protocol

    Cut = Callable[[bytes], Iterator[bytes]]

WHOLE = 1 << 30
SIZES = (1, 2, 3, 7, 64, WHOLE)


def in_pieces(size: int) -> Cut:
    """A way to cut bytes: into pieces of *size*."""

    def cut(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return cut


class Side:
    """One protocol, what it has reported, and what it has sent."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol: Any = protocol
        self.events: list[Any] = []
        self.sent = b""
        self.ended = False

    def collect(self) -> bytes:
        """Take the protocol's events, and its bytes, which are returned."""
        self.events += self.protocol.events()
        output = self.protocol.data_to_send()
        if output and output[-1] is SEND_EOF:
            self.ended = True
        new = b"".join(output)
        self.sent += new
        return new

    def frames(self) -> list[oracles.WireFrame]:
        """The frames among what was sent since `forget`."""
        return oracles.decode(self.sent)

    def forget(self) -> None:
        self.sent = b""
        self.events.clear()


class Pair:
    """Move bytes between *client* and *server* with `pump`, cut by *cut*."""

    def __init__(
        self,
        client: ClientProtocol | None = None,
        server: ServerProtocol | None = None,
        *,
        size: int = WHOLE,
    ) -> None:
        self.client = Side(client or ClientProtocol("ws://localhost/"))
        self.server = Side(server or ServerProtocol())
        self.cut = in_pieces(size)

    def deliver(self, data: bytes, to: Side) -> None:
        for piece in self.cut(data):
            to.protocol.receive_data(piece)
        to.events += to.protocol.events()

    def pump(self) -> None:
        """Move bytes both ways until nothing is left to move."""
        moved = True
        while moved:
            to_server, to_client = self.client.collect(), self.server.collect()
            self.deliver(to_server, self.server)
            self.deliver(to_client, self.client)
            moved = bool(to_server or to_client)

    def ask(self) -> Request:
        """Send the client's request; return it as the server read it."""
        client = self.client.protocol
        client.send_request(client.connect())
        self.pump()
        request = self.server.events.pop()
        assert isinstance(request, Request)
        return request

    def open(self) -> Pair:
        """Do the opening handshake, and forget it."""
        server = self.server.protocol
        server.send_response(server.accept(self.ask()))
        self.pump()
        assert server.state is self.client.protocol.state is State.OPEN
        self.client.forget()
        self.server.forget()
        return self

    def end(self) -> None:
        """End the stream for both, as the network does once both have closed."""
        for side in (self.client, self.server):
            side.protocol.receive_eof()


def sent_by(protocol: Protocol) -> list[oracles.WireFrame]:
    """The frames that *protocol* has written since it was last asked."""
    side = Side(protocol)
    side.collect()
    return side.frames()
