"""The link to Redis that publications come through: connected again for ever, and checked."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from .keeper import Keeper, State, Timing
from .subscriber import Subscriber
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outbox import Outbox
    from .target import RedisTarget

__all__ = ["CANARY", "Link"]

# Channels in one command, and unacknowledged until more are sent: no turn is long, however many
# channels there are.
AT_ONCE = 1000
# On their way at once.
MOST_CANARIES = 10
# A canary's message begins with this; the rest is its number.
CANARY = b"canary "


class _Canary:
    """A message to ourselves: when it was put into the outbox, and when Redis had it."""

    __slots__ = ("published", "put")

    def __init__(self, put: float) -> None:
        self.put = put
        self.published: float | None = None


class Link:
    """Subscribes channels and hands on what is published in them, across any number of outages.

    Every name of a channel has *prefix* in front, which callbacks do not see. *node* names this
    hub in a channel of its own, ``n:`` and the name in hex: canaries go through Redis to it, so
    that a connection is found that is alive and brings nothing. What else comes there is handed on.

    *on_message* gets a channel and a message. *on_subscribed* gets a channel when Redis has
    acknowledged it: after each `subscribe`, and again on each new connection. *on_up* is called
    when all channels are, with whether messages may have been missed; *on_down* with the reason
    when that has ended, None if it was `close`. None of them may raise.
    """

    def __init__(
        self,
        target: RedisTarget,
        outbox: Outbox,
        *,
        prefix: str,
        node: bytes,
        on_message: Callable[[str, bytes], object],
        on_subscribed: Callable[[str], object],
        on_up: Callable[[bool], object],
        on_down: Callable[[Exception | None], object],
        partition: int | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._outbox = outbox
        self._on_message, self._on_subscribed = on_message, on_subscribed
        self._on_up, self._on_down = on_up, on_down
        self.lag: float | None = None
        """Seconds that the last canary took, the time in the outbox included."""
        self._prefix = prefix.encode()
        self._publish = "PUBLISH" if partition is None else "SPUBLISH"
        self._own = f"n:{node.hex()}"
        self._own_channel = self._prefix + self._own.encode()
        # Wanted, or not wanted any more for less than `linger` seconds.
        self._names: dict[bytes, str] = {}
        # When to unsubscribe, in this order.
        self._leaving: dict[bytes, float] = {}
        # What to tell Redis of which channel: whether it is wanted.
        self._to_send: dict[bytes, bool] = {}
        # SUBSCRIBEs of each channel that are not acknowledged, and how many commands are not.
        self._unacknowledged: dict[bytes, int] = {}
        self._owed = 0
        # What has to be acknowledged until the link is up; None if it is.
        self._restoring: set[bytes] | None = None
        self._has_been_up = False
        self._canaries: dict[int, _Canary] = {}
        self._numbers = itertools.count(1)
        self._wire: Subscriber | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush_is_due = False
        self._leave_timer: asyncio.TimerHandle | None = None
        self._keeper = Keeper(
            target,
            partition,
            self._timing,
            make=self._make,
            greet=self._greet,
            use=self._use,
            lost=self._lost,
            consequence="what other nodes publish does not arrive until this is mended",
        )
        self._watch = Watch(self._timing, self._look)
        self._sharded = partition is not None

    @property
    def state(self) -> State:
        """Up when all channels are subscribed; connecting only until the first try has failed."""
        return self._keeper.state

    @property
    def reconnects(self) -> int:
        """How often a link was lost that was up."""
        return self._keeper.reconnects

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect from now on."""
        self._loop = loop
        self._keeper.start(loop)

    async def connected(self) -> None:
        """Wait until the link is up. Raises BrokerUnavailable if the try at hand fails."""
        await self._keeper.connected()

    async def close(self) -> None:
        """End the connection and all timers."""
        await self._keeper.close()
        self._stop_leaving()

    # Channels

    def subscribe(self, channel: str) -> None:
        """Have what is published in *channel* from now on, on every connection."""
        key = self._prefix + channel.encode()
        self._names[key] = channel
        self._leaving.pop(key, None)
        # Also if it is subscribed still: Redis acknowledges it again.
        self._send(key, True)

    def unsubscribe(self, channel: str) -> None:
        """Want *channel* no more; some seconds later Redis is told, if that is still so."""
        key = self._prefix + channel.encode()
        if key in self._names and self._loop is not None and self.state != "closed":
            self._leaving[key] = self._loop.time() + self._timing.linger
            self._set_leave_timer()
        elif self._loop is None:
            self._names.pop(key, None)

    def _send(self, key: bytes, wanted: bool) -> None:
        """Tell Redis in the next turn, with all others of this one; nothing if it is away."""
        if self._wire is None or self._loop is None:
            return
        self._to_send[key] = wanted
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        wire, waiting = self._wire, self._to_send
        if wire is None or self._owed >= AT_ONCE:
            return
        sent = list(itertools.islice(waiting, AT_ONCE))
        wanted = [key for key in sent if waiting[key]]
        unwanted = [key for key in sent if not waiting[key]]
        for key in sent:
            del waiting[key]
        self._owed += len(sent)
        for key in wanted:
            self._unacknowledged[key] = self._unacknowledged.get(key, 0) + 1
        if wanted:
            wire.subscribe(wanted)
        if unwanted:
            wire.unsubscribe(unwanted)

    def _answered(self, subscribed: bool, key: bytes) -> None:
        """Redis has acknowledged one channel."""
        self._owed -= 1
        if self._to_send and not self._owed and not self._flush_is_due:
            self._flush()
        if not subscribed:
            self._unsubscribed(key)
            return
        left = self._unacknowledged.pop(key, 1) - 1
        if left > 0:
            # It was unsubscribed in between.
            self._unacknowledged[key] = left
            return
        name = self._names.get(key)
        try:
            if name is not None:
                self._on_subscribed(name)
        finally:
            self._restored(key)

    def _unsubscribed(self, key: bytes) -> None:
        """That is what was asked for, or the slot has moved to another node of the cluster."""
        is_wanted = key in self._names or key == self._own_channel
        asked = key in self._to_send or key in self._unacknowledged
        if is_wanted and not asked and self._wire is not None:
            self._wire.cut(ConnectionError("Redis has ended a subscription: its slot has moved"))

    def _restored(self, key: bytes) -> None:
        """One channel less that the link is not up without."""
        if self._restoring is None:
            return
        self._restoring.discard(key)
        if not self._restoring and self._loop is not None:
            self._restoring = None
            self._keeper.worked(self._loop.time())
            missed, self._has_been_up = self._has_been_up, True
            self._on_up(missed)

    # Leaving

    def _set_leave_timer(self) -> None:
        if self._leave_timer is None and self._leaving and self._loop is not None:
            due = next(iter(self._leaving.values()))
            self._leave_timer = self._loop.call_at(due, self._leave)

    def _leave(self) -> None:
        """Unsubscribe what nobody has wanted for long enough."""
        self._leave_timer = None
        assert self._loop is not None
        now = self._loop.time()
        due = itertools.takewhile(lambda item: item[1] <= now, self._leaving.items())
        for key, _ in list(itertools.islice(due, AT_ONCE)):
            if self._leaving.pop(key, None) is None:
                continue  # `on_up` has had it subscribed
            del self._names[key]
            self._send(key, False)
            self._restored(key)
        self._set_leave_timer()

    def _stop_leaving(self) -> None:
        if self._leave_timer is not None:
            self._leave_timer.cancel()
            self._leave_timer = None

    # Connections

    def _make(self, loop: asyncio.AbstractEventLoop) -> Subscriber:
        return Subscriber(
            loop,
            self._names,
            on_message=self._on_message,
            on_other=self._heard,
            on_answer=self._answered,
            sharded=self._sharded,
        )

    async def _greet(self, wire: Subscriber) -> None:
        """Nothing more to say."""

    def _use(self, wire: Subscriber) -> None:
        """Subscribe everything on a new connection."""
        self._wire = wire
        self._owed = 0
        self._unacknowledged.clear()
        for key in self._leaving:
            del self._names[key]
        self._leaving.clear()
        self._to_send = {self._own_channel: True, **dict.fromkeys(self._names, True)}
        self._restoring = set(self._to_send)
        self._watch.start(wire)
        self._flush()

    def _lost(self, error: Exception) -> None:
        was_up = self._wire is not None and self._restoring is None
        self._wire = self._restoring = self.lag = None
        self._watch.stop()
        self._to_send.clear()
        self._unacknowledged.clear()
        self._canaries.clear()
        if was_up:
            self._on_down(None if self.state == "closed" else error)

    # Canary

    def _look(self, now: float) -> bool:
        """Have Redis answer something, and send a canary; returns whether it owes an answer."""
        wire = self._wire
        if wire is None:
            return False
        for canary in self._canaries.values():
            if canary.published is not None and now - canary.published >= self._timing.patience:
                wire.cut(TimeoutError("the connection is alive, but messages do not come through"))
                return True
        # Acknowledged once more; PING might not be allowed.
        self._owed += 1
        wire.subscribe([self._own_channel])
        if (
            self._restoring is None
            and self._outbox.state == "up"
            and len(self._canaries) < MOST_CANARIES
        ):
            number = next(self._numbers)
            self._canaries[number] = _Canary(now)
            self._outbox.put(
                (self._publish, self._own_channel, CANARY + b"%d" % number),
                lambda answer: self._published(number, answer),
            )
        return True

    def _published(self, number: int, answer: Any) -> None:
        """Redis has taken a canary, or it was lost on the way there."""
        canary = self._canaries.get(number)
        if canary is None or self._loop is None:
            return  # it came back before the answer, or belongs to another connection
        if isinstance(answer, Exception):
            del self._canaries[number]
        else:
            canary.published = self._loop.time()

    def _heard(self, channel: bytes, payload: bytes) -> None:
        """A message to this node alone."""
        if channel != self._own_channel:
            return  # just left
        if not payload.startswith(CANARY):
            self._on_message(self._own, payload)
            return
        number = payload[len(CANARY) :]
        if number.isdigit() and self._loop is not None:
            self._came_back(int(number[:20]), self._loop.time())

    def _came_back(self, number: int, now: float) -> None:
        canary = self._canaries.pop(number, None)
        if canary is None:
            return  # of the connection before
        self.lag = now - canary.put
        if any(sooner < number and self._canaries[sooner].published for sooner in self._canaries):
            # They would have come first.
            assert self._wire is not None
            self._wire.cut(ConnectionError("bytes were lost between Redis and here"))
