"""A bridge in either direction: how it starts, what it keeps, and how it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..codes import CloseCode
from ..frames import Close
from .pipe import IDLE_CHECKS
from .stats import BridgeStats, Counters

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable
    from logging import Logger, LoggerAdapter

    from typing_extensions import Self

    from ..aio import Server
    from ..aio.server.sockets import ServerSockets
    from .options import BridgeOptions
    from .pipe import Pipe

__all__ = ["Bridge", "Starting"]


class Bridge:
    """A running bridge, as `wscore.bridge.serve` and `wscore.bridge.listen_tcp` return it."""

    loop: asyncio.AbstractEventLoop
    _sockets: ServerSockets | None = None

    def __init__(self, options: BridgeOptions, names: Iterable[str]) -> None:
        self.options = options
        self.server: Server | None = None
        """The WebSocket server; None for a bridge that TCP clients connect to."""
        self.counters = Counters(names)
        self.buffer = memoryview(bytearray(options.read_size))
        """What all streams are read into."""
        self.pipes: set[Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._none_left: asyncio.Future[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    # For applications

    @property
    def stats(self) -> BridgeStats:
        """What the bridge has carried so far; `wscore.prometheus` makes text of it."""
        return self.counters.snapshot(self.pipes)

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The sockets that are listened on; none after `close`."""
        if self.server is not None:
            return self.server.sockets
        return () if self._sockets is None else tuple(self._sockets.sockets)

    @property
    def log(self) -> Logger | LoggerAdapter[Any]:
        """The logger of the option, or ``wscore``."""
        return self.options.connection.log

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called."""
        return self._ending is not None

    async def serve_forever(self) -> None:
        """Serve until `close` is called or this is cancelled; then close."""
        try:
            await self._closed.wait()
        finally:
            self.close()
            await self.wait_closed()

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Stop accepting, close WebSockets with *code*, and have streams end.

        What was received is still handed on. That takes ``close_timeout`` seconds for each side at
        most. Closing again does nothing. Raises ValueError for a code or a reason that may not
        be sent.
        """
        Close(code, reason).serialize()
        if self._ending is not None:
            return
        if self.server is not None:
            self.server.close(code, reason)
        if self._sockets is not None:
            self._sockets.close()
        self._ending = self.loop.create_task(self._end(code, reason))
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until `close` was called, and everything has ended."""
        await self._closed.wait()
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()
        await self.wait_closed()

    # For its connections

    def add(self, pipe: Pipe) -> None:
        """Take a new connection."""
        self.pipes.add(pipe)
        if self.options.idle_timeout is not None and self._idle_timer is None:
            self._check_idle_later(self.options.idle_timeout)

    def forget(self, pipe: Pipe) -> None:
        """Both sides of a connection are gone."""
        if pipe in self.pipes:
            self.pipes.remove(pipe)
            self.counters.gone(pipe)
        if not self.pipes:
            if self._idle_timer is not None:
                self._idle_timer.cancel()
                self._idle_timer = None
            if self._none_left is not None and not self._none_left.done():
                self._none_left.set_result(None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine of a connection; the end of the bridge waits for it."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _check_idle_later(self, timeout: float) -> None:
        self._idle_timer = self.loop.call_later(timeout / IDLE_CHECKS, self._check_idle, timeout)

    def _check_idle(self, timeout: float) -> None:
        self._check_idle_later(timeout)
        for pipe in list(self.pipes):
            pipe.check_idle()

    # The end

    async def _end(self, code: int, reason: str) -> None:
        for task in list(self._tasks):
            task.cancel()
        for pipe in list(self.pipes):
            pipe.go_away(code, reason)
        try:
            if self.server is not None:
                await self.server.wait_closed()
            await self._wait_for_pipes()
        finally:
            for pipe in list(self.pipes):
                pipe.drop()
        await self._wait_for_pipes()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        if self._sockets is not None:
            closing = asyncio.ensure_future(self._sockets.wait_closed())
            await asyncio.wait([closing], timeout=self.options.close_timeout)

    async def _wait_for_pipes(self) -> None:
        if self.pipes:
            self._none_left = self.loop.create_future()
            await asyncio.wait([self._none_left], timeout=self.options.close_timeout)


class Starting:
    """A bridge that has not started: a context, or something to await."""

    _bridge: Bridge
    _started = False

    async def _listen(self) -> None:
        raise NotImplementedError

    async def _start(self) -> Bridge:
        if self._started:
            raise RuntimeError("this bridge was started already")
        self._started = True
        self._bridge.loop = asyncio.get_running_loop()
        try:
            await self._listen()
        except BaseException:
            self._started = False  # its port may become free
            raise
        return self._bridge

    def __await__(self) -> Generator[Any, None, Bridge]:
        return self._start().__await__()

    async def __aenter__(self) -> Bridge:
        return await self

    async def __aexit__(self, *error: object) -> None:
        self._bridge.close()
        await self._bridge.wait_closed()
