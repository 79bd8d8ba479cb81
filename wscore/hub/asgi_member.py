"""Members whose sockets belong to another ASGI server: a bounded queue, and a task that sends."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from .._backend import FrameWriter
from ..aio.connection.send_queue import counted
from ..aio.logs import about, log_error
from ..aio.loop import in_time
from ..aio.options import ConnectionOptions
from ..codes import CloseCode, Opcode
from ..errors import ConnectionClosed, ConnectionClosedError
from ..protocol.connection import Sending, State

if TYPE_CHECKING:
    from .._backend import Channel, SharedMessage
    from ..aio.connection.connection import Connection

__all__ = ["AsgiMember"]

# What the member of a server of ours would have, as far as a hub asks for it.
_OPTIONS = ConnectionOptions()
# Where a websocket of Starlette has its states.
_SIDES = ("application_state", "client_state")


class AsgiMember:
    """Has what a hub needs of a `Connection`, over the ``send`` of *websocket*.

    Its writer writes nothing: as one that is always behind it gives all it gets to `share`, and the
    policies of rooms hold here as they do in a `SendQueue`.
    """

    __slots__ = ("__weakref__", "_gone", "_is_sending", "_is_slow", "_queue", "_task", "_unsent",
                 "_writer", "id", "loop", "websocket")  # fmt: skip

    def __init__(self, websocket: Any) -> None:
        self.websocket = websocket
        self.loop = asyncio.get_running_loop()
        self.id = uuid4()
        self._writer = FrameWriter(masked=False)
        self._writer.queueing = True
        self._writer.owner = self._writer.protocol = self
        self._queue: deque[SharedMessage] = deque()
        # Bytes in the queue and in the hands of the server.
        self._unsent = 0
        # The last task that sends, and whether it is at work.
        self._task: asyncio.Task[None] | None = None
        self._is_sending = False
        # Whether a channel was told that the client does not keep up, since it last did.
        self._is_slow = False
        self._gone = False

    # What a hub asks of a connection

    @property
    def connection(self) -> AsgiMember:
        """What channels call the member of a writer."""
        return self

    _wire = protocol = connection

    @property
    def options(self) -> ConnectionOptions:
        """Where errors are logged."""
        return _OPTIONS

    @property
    def remote_address(self) -> Any:
        """The client's address, for logs."""
        return self.websocket.scope.get("client")

    @property
    def state(self) -> State:
        """Where the connection stands, as far as the framework tells."""
        sides = [getattr(getattr(self.websocket, name, None), "name", None) for name in _SIDES]
        if self._gone or "DISCONNECTED" in sides:
            return State.CLOSED
        return State.CONNECTING if "CONNECTING" in sides else State.OPEN

    @property
    def sending(self) -> Sending:
        """Whether the application may still send."""
        return Sending.MESSAGES if self.state is State.OPEN else Sending.FINISHED

    def closed_error(self) -> ConnectionClosed:
        """What tells that the connection is closed."""
        return ConnectionClosedError(None, None)

    refusal = closed_error

    # What a writer asks of its owner

    def write_soon(self) -> None:
        """The writer has nothing: `share` got it."""

    def share(self, messages: list[SharedMessage]) -> None:
        """Queue what was published, as far as the limits of its channels allow."""
        for message in messages:
            if self.sending is Sending.FINISHED:
                if not self._gone:
                    self.end()
                return
            channel = message.channel
            if channel is None or self._has_room(channel, len(message.payload)):
                self._put(message)

    def _has_room(self, channel: Channel, size: int) -> bool:
        """Whether a message of *size* bytes may wait; if not, do what *channel* says."""
        if not self._unsent or self._unsent + size <= channel.max_unsent:
            return True
        if not self._is_slow:
            self._is_slow = True
            channel.owner.slow(self)
        if channel.overflow == "drop_oldest":
            self._drop_oldest(channel, size)
            return True
        channel.dropped += 1
        if channel.overflow == "close":
            self._close()
        return False

    def _drop_oldest(self, channel: Channel, size: int) -> None:
        """Make room for *size* bytes among what waits of *channel*; the newest waits anyway."""
        kept: deque[SharedMessage] = deque()
        while self._queue and self._unsent + size > channel.max_unsent:
            message = self._queue.popleft()
            if message.channel is channel:
                self._drop(message)
            else:
                kept.append(message)
        self._queue.extendleft(reversed(kept))

    def _put(self, message: SharedMessage) -> None:
        self._queue.append(message)
        self._unsent += len(message.payload)
        if not self._is_sending:
            self._is_sending = True  # first, because eager tasks begin, and may end, within this
            self._task = self.loop.create_task(self._send_all())

    def _drop(self, message: SharedMessage) -> None:
        self._unsent -= len(message.payload)
        if message.channel is not None:
            message.channel.dropped += 1
            counted(message.channel)

    async def _send_all(self) -> None:
        """Send what is queued, and wait as long as the server wants to."""
        while self._queue:
            message = self._queue.popleft()
            try:
                await self.websocket.send(_event(message))
            except BaseException as error:
                self._drop(message)
                self.end()
                if not isinstance(error, Exception):
                    raise
                self._log(error)
                return
            self._unsent -= len(message.payload)
            if message.channel is not None:
                message.channel.delivered += 1
                counted(message.channel)
        self._is_sending = self._is_slow = False

    def _log(self, error: Exception) -> None:
        """Log why nothing more can be sent: servers have their own errors for who has left."""
        me = cast("Connection", self)
        if isinstance(error, TypeError):  # `send` is that of a framework, and not of ASGI
            log_error(me, "a member's send takes no ASGI events", error)
        else:
            _OPTIONS.log.debug("a member is gone: %r", error, extra=about(me))

    # The end

    def end(self) -> None:
        """The client is gone, or is to go: leave all rooms."""
        self._gone = True
        for channel in self._writer.channels():
            channel.owner.ended(self)
        self._writer.accepting = False
        while self._queue:
            self._drop(self._queue.popleft())

    def _close(self) -> None:
        """Close with 1013, without waiting for what a slow client does not take."""
        if self._gone:
            return
        self.end()
        if self._task is not None:
            self._task.cancel()
        self._task = self.loop.create_task(self._send_close())

    async def _send_close(self) -> None:
        event = {"type": "websocket.close", "code": int(CloseCode.TRY_AGAIN_LATER), "reason": ""}
        with suppress(Exception):
            await in_time(self.websocket.send(event), _OPTIONS.close_timeout)


def _event(message: SharedMessage) -> dict[str, Any]:
    if message.opcode == Opcode.TEXT:
        return {"type": "websocket.send", "text": message.payload.decode()}
    return {"type": "websocket.send", "bytes": message.payload}
