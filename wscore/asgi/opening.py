"""The opening handshake, between uvicorn's request and the answer of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aio.connection.receiver import Opening
from ..errors import InvalidHeader
from ..protocol.connection import State
from .handshakes import SlowHandshake, fast_handshake
from .scope import make_scope
from .session import Session

if TYPE_CHECKING:
    from ..protocol.http11 import Request, Response
    from ..protocol.server import ServerProtocol
    from .handshakes import Handshake
    from .protocol import WebSocketProtocol

__all__ = ["AsgiOpening"]


class AsgiOpening(Opening):
    """Checks the request and runs the application, which answers it."""

    __slots__ = ("_app", "_app_state", "_session")

    wire: WebSocketProtocol

    def __init__(self, wire: WebSocketProtocol, app: Any, app_state: dict[str, Any]) -> None:
        super().__init__(wire)
        self._app = app
        self._app_state = app_state
        self._session: Session | None = None

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes*."""
        self.received(bytes(self.wire.get_buffer(-1)[:nbytes]))

    def received(self, data: bytes) -> None:
        """Take what was read, wherever that was."""
        wire, protocol = self.wire, self.wire.protocol
        if protocol.state is not State.CONNECTING:
            return
        if self._session is None:
            handshake = fast_handshake(protocol, wire.host, data)
            if handshake is not None:
                self._run(handshake)
                return
        head = protocol.receive_head(data)
        if head is not None:
            self.head_received(head)
        if protocol.handshake_error is not None:
            wire.end()  # refused: no valid request, or bytes that come too early
            self.ended()

    def head_received(self, head: Request) -> None:
        """Run the application, unless the request is no opening handshake."""
        protocol = self.wire.protocol
        response = protocol.accept(head)
        if response.status_code == 101:
            self._run(SlowHandshake(protocol, head, response))
        else:
            protocol.send_response(_explained(protocol, response))

    def _run(self, handshake: Handshake) -> None:
        wire = self.wire
        scope = make_scope(handshake, wire.connection, wire.host, self._app_state)
        self._session = Session(wire, handshake, scope)
        wire.host.spawn(self._session.run(self._app, scope))

    @property
    def is_answering(self) -> bool:
        """Whether the application has begun a response that is not complete."""
        return self._session is not None and self._session.is_denying

    def ended(self) -> None:
        """There will be no answer of the application."""
        if self._session is not None:
            self._session.abandon()


def _explained(protocol: ServerProtocol, response: Response) -> Response:
    """The response to a request that lacks a header says which."""
    error = protocol.handshake_error
    if isinstance(error, InvalidHeader) and error.value is None and error.status == 400:
        return protocol.reject(400, f"Missing {error.name} header.\n")
    return response
