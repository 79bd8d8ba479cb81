"""The headers that all answers of a server have: Date and Server (RFC 9110 6.6.1, 10.2.4)."""

from __future__ import annotations

from email.utils import formatdate
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...protocol.headers import Headers

__all__ = ["AnswerHeaders"]


class AnswerHeaders:
    """Date, which is formatted at most once a second, and Server, unless *server* is None."""

    __slots__ = ("_fields", "_lines", "_server", "_until")

    def __init__(self, server: str | None) -> None:
        self._server = [] if server is None else [("Server", server)]
        self._fields: list[tuple[str, str]] = []
        self._lines = ""
        # When the date is too old, on a clock that nobody sets back.
        self._until = 0.0

    def lines(self) -> str:
        """Return them as whole lines of a head."""
        now = monotonic()
        if now >= self._until:
            self._until = now + 1
            self._fields = [("Date", formatdate(usegmt=True)), *self._server]
            self._lines = "".join([f"{name}: {value}\r\n" for name, value in self._fields])
        return self._lines

    def add_to(self, headers: Headers) -> None:
        """Add those that *headers* do not have yet."""
        self.lines()
        headers.add_missing(self._fields)
