"""What connections of websockets' first asyncio API had beside those of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..asyncio.connection import broadcast
from ..protocol import State

if TYPE_CHECKING:
    from ..datastructures import Headers

__all__ = ["WebSocketCommonProtocol", "broadcast"]


class WebSocketCommonProtocol:
    """What both roles had in common, as an addition to a connection of the engine."""

    state: State
    request: Any
    response: Any

    @property
    def open(self) -> bool:
        """Whether messages can be sent and received."""
        return self.state is State.OPEN

    @property
    def closed(self) -> bool:
        """Whether the connection is gone; neither this nor `open` holds while it closes."""
        return self.state is State.CLOSED

    @property
    def path(self) -> str:
        """The path of the request, its query included."""
        return str(self.request.path)

    @property
    def request_headers(self) -> Headers:
        """The headers of the request."""
        headers: Headers = self.request.headers
        return headers

    @property
    def response_headers(self) -> Headers:
        """The headers of the response."""
        headers: Headers = self.response.headers
        return headers
