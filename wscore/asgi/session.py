"""The application's side of a connection: runs it, and carries its events in and out."""

from __future__ import annotations

import asyncio
from logging import INFO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from uvicorn.protocols.utils import ClientDisconnected

from ..aio.connection.receive_queue import Part
from ..codes import CloseCode
from ..errors import ConnectionClosed, SendQueueFull
from ..protocol.checks import check_kind
from ..protocol.connection import State
from .denial import Denial
from .events import (
    Phase,
    checked_headers,
    close_arguments,
    disconnect_event,
    kind_of,
    payload_of,
    unexpected,
)
from .handshakes import checked
from .host import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..aio.connection.receive_queue import ReceiveQueue
    from .handshakes import Handshake
    from .protocol import WebSocketProtocol
    from .scope import Scope

    Event = Mapping[str, Any]

__all__ = ["Session"]

_OPEN = Phase.OPEN  # to look it up takes longer than to write a message


class Session:
    """One run of the application, with the ``receive`` and ``send`` that it is given."""

    __slots__ = ("_connection", "_denial", "_disconnected", "_greeted", "_handshake", "_phase",
                 "_protocol", "_scope", "_unanswered")  # fmt: skip

    def __init__(self, protocol: WebSocketProtocol, handshake: Handshake, scope: Scope) -> None:
        self._protocol = protocol
        self._connection = protocol.connection
        self._phase = Phase.CONNECTING
        # Until the handshake is answered.
        self._handshake: Handshake | None = handshake
        self._scope: Scope | None = scope
        self._denial: Denial | None = None
        # Whether the application was told of the connection, and of its end.
        self._greeted = self._disconnected = False
        # Whether the handshake has ended without an answer of the application.
        self._unanswered = False

    @property
    def is_denying(self) -> bool:
        """Whether a response in place of the handshake is on its way."""
        return self._phase is Phase.DENYING and not self._unanswered

    def abandon(self) -> None:
        """The handshake is over, and the application has not answered it in time."""
        if self._phase in (Phase.CONNECTING, Phase.DENYING):
            self._unanswered = True
            self._answered()

    def _answered(self) -> None:
        self._handshake = self._scope = None
        self._protocol.wake_waiters()

    # The application

    async def run(self, app: Any, scope: Scope) -> None:
        """Run *app*, and end the connection with it."""
        failed = True
        try:
            result = await app(scope, self.receive, self.send)
            failed = result is not None
            if self._phase is Phase.CONNECTING and not self._unanswered:
                logger.error("ASGI callable returned without completing handshake.")
            elif failed:
                logger.error("ASGI callable should return None, but returned '%s'.", result)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            raise
        except BaseException:
            if self._protocol.loop.is_closed():
                raise  # GeneratorExit: what was left of the task goes after its loop
            # Whatever it is, as with uvicorn's own classes: the server goes on.
            logger.exception("Exception in ASGI application\n")
        finally:
            if not self._protocol.loop.is_closed():
                self._end(failed)

    def _end(self, failed: bool) -> None:
        """The application has ended: leave nothing open."""
        phase, self._phase = self._phase, Phase.OVER
        if self._unanswered:
            return
        if phase is Phase.CONNECTING:
            self._protocol.refuse(500, "Internal Server Error")
            self._answered()
        elif phase is Phase.DENYING and self._denial is not None:
            self._denial.break_off()
            self._answered()
        elif phase is _OPEN and failed:
            self._protocol.fail(CloseCode.INTERNAL_ERROR)
        elif phase is _OPEN and self._protocol.protocol.state is State.OPEN:
            self._protocol.start_close(CloseCode.NORMAL_CLOSURE, "")

    # Events for the application

    async def receive(self) -> dict[str, Any]:
        """Return the next event, as ASGI names them; also after the end."""
        if not self._greeted:
            self._greeted = True
            return {"type": "websocket.connect"}
        try:
            queue = self._connection._queue or await self._open_queue()
            while (message := queue.take()) is None:
                await queue
            if type(message) is Part:
                message = await queue.join(message)
        except ConnectionClosed:
            return await self._disconnect()
        if type(message) is str:
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def _open_queue(self) -> ReceiveQueue:
        """The queue of an open connection. Raises ConnectionClosed, ConcurrencyError."""
        while self._phase in (Phase.CONNECTING, Phase.DENYING) and not self._unanswered:
            await self._protocol.wait_for_change()
        if self._protocol.receiver is None:
            raise self._protocol.protocol.closed_error()
        return self._connection._open_queue()

    async def _disconnect(self) -> dict[str, Any]:
        if self._disconnected:
            # Let others have a turn: an application may ignore the end, and go on asking.
            await asyncio.sleep(0)
        self._disconnected = True
        return disconnect_event(self._protocol.protocol)

    # Events of the application

    async def send(self, event: Event) -> None:
        """Take an event of the application.

        Waits while the client does not keep up. Raises RuntimeError for an event that may not
        come now, TypeError and ValueError for one that is wrong; ClientDisconnected, an OSError,
        once the client has left.
        """
        phase = self._phase
        try:
            is_message = phase is _OPEN and event["type"] == "websocket.send"
        except (KeyError, TypeError, IndexError):
            is_message = False
        if not is_message:
            await self._send_other(event, phase)
            return
        message = event.get("text")
        if type(message) is not str or "bytes" in event:
            data = event.get("bytes")
            message = data if type(data) is bytes and message is None else payload_of(event)
        try:
            is_done = self._connection._write_whole(message)
            if not is_done:
                await self._finish_sending(message, is_done)
        except SendQueueFull:
            await self._finish_sending(message, None)
        except ConnectionClosed as closed:
            raise ClientDisconnected from closed

    async def _finish_sending(self, message: str | bytes, is_done: bool | None) -> None:
        """Send a *message* that takes several steps, if *is_done* is None; then wait."""
        try:
            await self._protocol.sender.finish(message, None, None, is_done is not None)
        except ConnectionClosed as closed:
            raise ClientDisconnected from closed

    async def _send_other(self, event: Event, phase: Phase) -> None:
        kind = kind_of(event)
        if kind not in phase.value:
            raise unexpected(phase, kind)
        try:
            if phase is _OPEN:
                self._close(event)
            else:
                await self._answer(kind, event)
        except ConnectionClosed as closed:
            raise ClientDisconnected from closed

    def _close(self, event: Event) -> None:
        """Close, unless the client has: then there is nothing left to do."""
        code, reason = close_arguments(event)
        self._protocol.start_close(code, reason)
        self._phase = Phase.OVER

    async def _answer(self, kind: str, event: Event) -> None:
        """Take an event that answers the handshake, or a part of one."""
        if self._unanswered:
            raise ClientDisconnected
        if kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            self._log("403")
            self._phase = Phase.OVER
            self._protocol.refuse(403, "")
            self._answered()
        elif self._denial is None:
            self._denial = Denial(self._protocol, event)
            self._phase = Phase.DENYING
            self._log(str(self._denial.status))
        elif await self._denial.send(event):
            self._phase = Phase.OVER
            self._answered()

    def _accept(self, event: Event) -> None:
        handshake, subprotocol = self._handshake, event.get("subprotocol")
        assert handshake is not None
        check_kind("subprotocol", subprotocol, str, "a str", optional=True)
        headers = checked(handshake, subprotocol, checked_headers(event))
        handshake.prepare(subprotocol, headers)
        self._log("[accepted]")
        self._phase = _OPEN
        self._protocol.accept(handshake)
        self._answered()

    def _log(self, outcome: str) -> None:
        """Log as uvicorn's own classes do."""
        scope = self._scope
        if scope is not None and logger.isEnabledFor(INFO):
            # The scope as it is now: middleware for proxies writes the client's address there.
            path = quote(scope["path"])
            if scope["query_string"]:
                path = f"{path}?{scope['query_string'].decode('ascii')}"
            client = "{}:{}".format(*scope["client"]) if scope["client"] else ""
            logger.info('%s - "WebSocket %s" %s', client, path, outcome)
