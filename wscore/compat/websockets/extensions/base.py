"""What an extension of one's own implements: it changes frames, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from ..frames import Frame
from ..typing import ExtensionName, ExtensionParameter

__all__ = ["ClientExtensionFactory", "Extension", "ServerExtensionFactory"]


class Extension:
    """An extension at work on one connection."""

    name: ExtensionName
    """The token of Sec-WebSocket-Extensions."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Decode a received frame. Raises PayloadTooBig beyond *max_size* bytes."""
        raise NotImplementedError

    def encode(self, frame: Frame) -> Frame:
        """Encode a frame that is to be sent."""
        raise NotImplementedError


class ClientExtensionFactory:
    """An extension that a client offers."""

    name: ExtensionName
    """The token of Sec-WebSocket-Extensions."""

    def get_request_params(self) -> Sequence[ExtensionParameter]:
        """Return the parameters of the offer."""
        raise NotImplementedError

    def process_response_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> Extension:
        """Take the server's answer. Raises NegotiationError if it is not acceptable."""
        raise NotImplementedError


class ServerExtensionFactory:
    """An extension that a server accepts."""

    name: ExtensionName
    """The token of Sec-WebSocket-Extensions."""

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], Extension]:
        """Return the answer to an offer. Raises NegotiationError to decline it."""
        raise NotImplementedError
