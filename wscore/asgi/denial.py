"""The extension ``websocket.http.response``: an HTTP response in place of the handshake."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..protocol.checks import check_integer, check_kind
from ..protocol.headers import Headers
from ..protocol.http11 import Response
from .events import checked_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .protocol import WebSocketProtocol

__all__ = ["Denial"]

_NO_CONTENT, _NOT_MODIFIED = 204, 304
_WITHOUT_BODY = (_NO_CONTENT, _NOT_MODIFIED)
# Headers that say how the response is framed; without content there is no length (RFC 9110 8.6).
_OURS = ("connection", "transfer-encoding", "upgrade")
_OURS_FOR_NONE = (*_OURS, "content-length")


class Denial:
    """The response of an application that refuses the handshake; its body may come in pieces.

    The head leaves at once if it states the length of the body. Otherwise it waits for the first
    piece: if that is also the last, its length is known, and else the body is sent in chunks.
    """

    __slots__ = ("_chunked", "_headers", "_left", "_protocol", "_started", "status")

    def __init__(self, protocol: WebSocketProtocol, event: Mapping[str, Any]) -> None:
        """Take ``websocket.http.response.start``. Raises RuntimeError, TypeError, ValueError."""
        status = event.get("status")
        try:
            check_integer("status", status, least=200, most=599)
        except (TypeError, ValueError) as error:
            raise RuntimeError(f"Invalid HTTP status code {status!r} in response.") from error
        self.status: int = status  # type: ignore[assignment]
        self._protocol = protocol
        fields = checked_headers(event)
        ours = _OURS_FOR_NONE if status == _NO_CONTENT else _OURS
        self._headers = Headers(field for field in fields if field[0] not in ours)
        self._chunked = self._started = False
        # Bytes of the body that are still to come; None if nobody knows.
        self._left: int | None = None
        if "content-length" in self._headers:
            length = self._headers.get_all("content-length")
            if len(length) > 1 or not (length[0].isascii() and length[0].isdigit()):
                raise ValueError(f"not a Content-Length: {', '.join(length)}")
            self._left = int(length[0])
            self._start()

    async def send(self, event: Mapping[str, Any]) -> bool:
        """Take ``websocket.http.response.body``; returns whether the response is complete.

        Waits for a client that does not keep up. Raises TypeError, ConnectionClosed; RuntimeError
        for a body that is longer or shorter than the headers say.
        """
        body = event.get("body", b"")
        check_kind("body", body, (bytes, bytearray, memoryview), "bytes")
        is_last = not event.get("more_body", False)
        self._measure(len(memoryview(body).cast("B")), is_last)
        if self.status not in _WITHOUT_BODY:
            self._write(bytes(body), is_last)
        if is_last:
            self._protocol.end()
        else:
            await self._protocol.sender.drain()
        return is_last

    def break_off(self) -> None:
        """The application has left the response unfinished."""
        if not self._started:
            self._left = 0
            self._start()
        self._protocol.end()

    def _measure(self, size: int, is_last: bool) -> None:
        if not self._started:
            if is_last:
                self._left = size
            else:
                self._chunked = True
            self._start()
        if self._left is None or self.status in _WITHOUT_BODY:
            return
        self._left -= size
        if self._left < 0:
            raise RuntimeError("Response content longer than Content-Length")
        if self._left and is_last:
            raise RuntimeError("Response content shorter than Content-Length")

    def _start(self) -> None:
        self._started = True
        headers = self._headers
        if self.status not in _WITHOUT_BODY:
            if self._chunked:
                headers["transfer-encoding"] = "chunked"
            elif "content-length" not in headers:
                headers["content-length"] = str(self._left)
        headers["connection"] = "close"
        self._protocol.begin_answer(Response(self.status, _phrase(self.status), headers))

    def _write(self, body: bytes, is_last: bool) -> None:
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (
                b"0\r\n\r\n" if is_last else b""
            )
        if body:
            self._protocol.protocol.writer.pass_on(body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
