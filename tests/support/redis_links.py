"""Links and outboxes of hubs to real servers, and all that they tell."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from wscore.errors import BrokerUnavailable
from wscore.hub.redis.keeper import Timing
from wscore.hub.redis.link import Link
from wscore.hub.redis.outbox import Outbox
from wscore.hub.redis.target import RedisTarget
from wscore.protocol.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = [
    "QUICK",
    "LinkWorld",
    "is_alive",
    "is_back",
    "linked",
    "outbox_to",
    "until",
    "until_told",
]

# For tests: a loaded machine may be silent for longer than `interval`, but not than `patience`.
QUICK = Timing(
    connect_timeout=2.0,
    interval=0.05,
    patience=1.0,
    linger=0.1,
    backoff=Backoff(initial_delay=0.02, factor=2.0, max_delay=0.1, max_retries=None),
)


async def until(look: Callable[[], Any]) -> Any:
    """What *look* finds, as soon as that is true; the deadline is that of the test."""
    while not (found := look()):
        await asyncio.sleep(0.005)
    return found


@asynccontextmanager
async def outbox_to(url: str, **options: Any) -> AsyncIterator[Outbox]:
    """An outbox that is started, and closed at the end."""
    options = {"max_bytes": 1 << 20, "max_messages": 1000, "timing": QUICK} | options
    outbox = Outbox(RedisTarget.parse(url), **options)
    outbox.start(asyncio.get_running_loop())
    try:
        yield outbox
    finally:
        await outbox.close()


class LinkWorld:
    """A link, its outbox, and what the link has told."""

    def __init__(
        self, url: str, outbox: Outbox, timing: Timing, partition: int | None = None
    ) -> None:
        self.prefix = f"test{secrets.token_hex(4)}:"
        self.partition = partition
        if partition is not None:
            self.prefix += f"{{{partition}}}"
        self.outbox = outbox
        self.messages: list[tuple[str, bytes]] = []
        self.subscribed: list[str] = []
        self.ups: list[bool] = []
        self.downs: list[Exception | None] = []
        self.link = Link(
            RedisTarget.parse(url),
            outbox,
            prefix=self.prefix,
            node=b"me",
            on_message=lambda channel, message: self.messages.append((channel, message)),
            on_subscribed=self.subscribed.append,
            on_up=self.ups.append,
            on_down=self.downs.append,
            partition=partition,
            timing=timing,
        )

    def publish(self, channel: str, message: str) -> None:
        name = "PUBLISH" if self.partition is None else "SPUBLISH"
        self.outbox.put((name, self.prefix + channel, message))


@asynccontextmanager
async def linked(
    url: str, timing: Timing = QUICK, partition: int | None = None
) -> AsyncIterator[LinkWorld]:
    """A link that is started, and closed at the end."""
    async with outbox_to(url, timing=timing, partition=partition) as outbox:
        world = LinkWorld(url, outbox, timing, partition)
        world.link.start(asyncio.get_running_loop())
        try:
            yield world
        finally:
            await world.link.close()


async def is_back(world: LinkWorld) -> None:
    """Until link and outbox are, however often they came and went; that they did was told."""
    await until(lambda: world.ups[1:] and world.link.state == world.outbox.state == "up")
    assert world.ups == [False] + [True] * len(world.downs)


async def is_alive(world: LinkWorld, channel: str) -> None:
    """What is published now arrives, and nothing else does."""
    world.messages.clear()
    # Its own connection may be on its way back as well, after tries that fail.
    await until(lambda: world.outbox.state == "up")
    world.publish(channel, "alive")
    await until(lambda: world.messages)
    assert world.messages == [(channel, b"alive")]


async def until_told(link: Link | Outbox, text: str) -> None:
    """Until a try to connect fails for this reason."""
    while True:
        try:
            await link.connected()
        except BrokerUnavailable as error:
            if text in str(error):
                return
        await asyncio.sleep(0.005)
