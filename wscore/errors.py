"""Every exception that wscore raises on purpose: one tree, rooted at WebSocketError."""

from __future__ import annotations

__all__ = ["PayloadTooBig", "ProtocolError", "WebSocketError"]


class WebSocketError(Exception):
    """Root of all errors of this package."""


class ProtocolError(WebSocketError):
    """The peer broke a rule of RFC 6455 or RFC 7692.

    ``code`` is the close code that the connection has to fail with (RFC 6455 7.4.1).
    """

    def __init__(self, message: str, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code


class PayloadTooBig(WebSocketError):
    """A message is, or announces itself, larger than ``max_size`` allows."""

    code = 1009
