"""Keeps a connection to Redis: connects, waits until it is lost, and connects again, for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import hiredis

from ...protocol.backoff import Backoff
from ...protocol.checks import check_seconds
from .trouble import Outage, code_of, logger, unavailable
from .wire import Afterwards, Wire, end, open_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .target import RedisTarget
    from .wire import Arguments

__all__ = ["Keeper", "State", "Timing"]

# Seconds in which the same error of a connection that comes and goes is logged once.
QUIET = 10.0

State = Literal["connecting", "up", "down", "closed"]
W = TypeVar("W", bound=Wire)


@dataclass(frozen=True)
class Timing:
    """Seconds that a link to Redis waits."""

    connect_timeout: float = 1.5
    """For a connection, and for Redis to let us in."""
    interval: float = 1.0
    """Between two looks at a connection, each with a message that goes through Redis and back."""
    patience: float = 3.0
    """Until a connection is cut that owes us an answer."""
    linger: float = 5.0
    """How long a channel stays subscribed that nobody wants any more."""
    backoff: Backoff = field(
        default_factory=lambda: Backoff(
            initial_delay=0.1, factor=2.0, max_delay=1.0, reset_after=5.0, max_retries=None
        )
    )
    """Between tries to connect, which never end."""

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "interval", "patience"):
            check_seconds(name, getattr(self, name), positive=True)
        check_seconds("linger", self.linger)


class Keeper(Generic[W]):
    """Keeps one connection of a kind.

    *make* makes one on a loop, and *greet* asks the server whatever has to be known first, or
    raises. Then *use* is called with it, and *lost* with the error when it has ended. `worked` is
    to be called when it has proved to be of use. *consequence* is what the log says behind an
    error.
    """

    def __init__(
        self,
        target: RedisTarget,
        partition: int | None,
        timing: Timing,
        *,
        make: Callable[[asyncio.AbstractEventLoop], W],
        greet: Callable[[W], Coroutine[None, None, None]],
        use: Callable[[W], None],
        lost: Callable[[Exception], None],
        consequence: str,
    ) -> None:
        self._target, self._partition, self._timing = target, partition, timing
        self._make, self._greet, self._use, self._lost = make, greet, use, lost
        self.outage = Outage(target, consequence, quiet=QUIET)
        self.state: State = "connecting"
        self.reconnects = 0
        self.failures = 0
        """Tries to connect that failed since a connection worked."""
        # Whether the connection at hand was given to `use`, so that `lost` is to be called.
        self._used = False
        self._retries = 0
        self._worked_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect from now on."""
        if self._task is None and self.state != "closed":
            self._task = loop.create_task(self._run(loop), name="wscore hub: Redis")

    async def close(self) -> None:
        """End the connection, or the search for one, and wait until its socket is closed."""
        self.state = "closed"
        self._settle(ConnectionAbortedError("the hub is closed"))
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def connected(self) -> None:
        """Wait until everything works. Raises BrokerUnavailable if the try at hand fails."""
        if self.state == "up":
            return
        if self.state == "closed":
            raise unavailable(self._target, ConnectionAbortedError("the hub is closed"))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def worked(self, now: float) -> None:
        """The connection is of use."""
        self.state = "up"
        self.failures = 0
        self._worked_at = now
        self.outage.over()
        self._settle(None)

    def _settle(self, error: Exception | None) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(unavailable(self._target, error))

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            started = loop.time()
            error = await self._connection(loop)
            now = loop.time()
            if self._worked_at is not None:
                if now - self._worked_at >= self._timing.backoff.reset_after:
                    self._retries = 0
                started = now
                self._worked_at = None
                self.reconnects += 1
            else:
                self.failures += 1
            self.state = "down"
            self.outage.met(error)
            self._settle(error)
            delay = self._timing.backoff.delay(self._retries, error)
            del error  # else it keeps what it has met, for as long as the next connection works
            self._retries += 1
            # A try that had to be given up was a pause already.
            await asyncio.sleep(max(0.0, started + delay - now))

    async def _connection(self, loop: asyncio.AbstractEventLoop) -> Exception:
        """Make a connection and use it until it ends; returns why."""
        opening = loop.create_task(self._open())
        async with Afterwards(lambda: self._finish(opening)):
            return await self._use_of(opening)

    async def _use_of(self, opening: asyncio.Task[W]) -> Exception:
        timeout = self._timing.connect_timeout
        done, _ = await asyncio.wait({opening}, timeout=timeout)
        if not done:
            return TimeoutError(f"no answer within {timeout:g} s")
        try:
            wire = opening.result()
        except Exception as failure:
            return failure
        self._used = True
        self._use(wire)
        await self._follow(wire)
        return await self._end_of(wire)

    async def _finish(self, opening: asyncio.Task[W]) -> None:
        """Have nothing left of a connection, or of the try to make one."""
        # Cancelled, it ends what it has begun, or it is through already.
        opening.cancel()
        await asyncio.wait({opening})
        if opening.cancelled() or opening.exception() is not None:
            return
        wire = opening.result()
        await end(wire)
        used, self._used = self._used, False
        if not used:
            return
        if self.state != "closed":
            self.state = "down"
        error = await self._end_of(wire)
        try:
            self._lost(error)
        except Exception:
            # A fault of ours must not end the search for a connection.
            logger.exception("the loss of a connection to Redis could not be handled")

    async def _end_of(self, wire: W) -> Exception:
        await asyncio.wait({wire.ended})
        return wire.ended.result() or ConnectionAbortedError("closed meanwhile")

    async def _follow(self, wire: W) -> None:
        """Wait until *wire* has ended, or until Sentinel names another master.

        Redis' own word comes late: an old master may take what is written for ten seconds more,
        and then throw it away.
        """
        watched = self._target.kind == "sentinel"
        pause = self._timing.interval if watched else None
        while not (await asyncio.wait({wire.ended}, timeout=pause))[0]:
            try:
                address = await self._target.address(self._partition)
            except Exception:
                continue  # nobody to ask: the connection that there is will do
            if not address.is_same_as(wire.address):
                wire.cut(ConnectionError(f"Sentinel has made {address} the master"))

    async def _open(self) -> W:
        address = await self._target.address(self._partition)
        wire = await open_wire(self._make, address)
        try:
            await self._let_in(wire)
            await self._greet(wire)
        except GeneratorExit:
            raise
        except BaseException:
            await end(wire)
            raise
        return wire

    async def _let_in(self, wire: W) -> None:
        """Say who we are, and see that the server is ready. Raises what it answers."""
        commands: list[Arguments] = [*self._target.greeting(), ("PING",)]
        for command, answer in zip(commands, await wire.ask(*commands), strict=True):
            # PING tells of a server that loads its data; it is not needed otherwise.
            forbidden = isinstance(answer, Exception) and code_of(answer) == "NOPERM"
            if isinstance(answer, hiredis.ReplyError) and not (forbidden and command == ("PING",)):
                raise answer
