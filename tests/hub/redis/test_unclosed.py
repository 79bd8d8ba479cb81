"""Hubs that nobody closes: they say so, and leave no links and no tracebacks behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.isolated import start
from support.node_hubs import ROOMS
from support.rawpeer import until

from wscore import Hub
from wscore.errors import BrokerUnavailable
from wscore.testing import pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]

# For scripts that forget a loop: collections in between change the order in which coroutines end.
# When one of asyncio ends before ours, which awaits it, nobody can take its error.
OUTERMOST_FIRST = "gc.disable()"


def test_a_hub_that_is_forgotten_ends_its_links(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with pair() as (_, ws):
            hub = Hub(redis_server.url(), rooms=ROOMS)
            hub.join(ws, "history:1")
            await hub.connected()
            with pytest.warns(ResourceWarning, match="unclosed hub"):
                del hub
            await until(lambda: not redis_server.clients())
        await until(lambda: asyncio.all_tasks() == before)

    run(main())


@pytest.mark.parametrize(
    "end",
    ["asyncio.run(main())", "loop = asyncio.new_event_loop(); loop.run_until_complete(main())",
     "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()"],
    ids=["run", "forgotten", "closed"],
)  # fmt: skip
@pytest.mark.parametrize("is_global", [True, False], ids=["global", "local"])
def test_a_process_that_ends(redis_server: RedisServer, end: str, is_global: bool) -> None:
    """Warnings tell of it; those are not shown unless somebody asks for them."""
    script = f"""
import asyncio, gc, wscore
from support.node_hubs import ROOMS
from wscore.testing import pair

async def main():
    {"global hub" if is_global else ""}
    hub = wscore.Hub({redis_server.url()!r}, rooms=ROOMS)
    async with pair() as (_, ws):
        hub.join(ws, "history:1")
        await hub.connected()
        hub.publish("history:1", "x")

{end}
gc.collect()
"""
    done = start(script)
    assert done.returncode == 0
    # asyncio's own, of a loop that is closed with tasks in it.
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    assert "unclosed hub" in start(script, PYTHONWARNINGS="always").stderr


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "forgotten"])
@pytest.mark.parametrize(
    "during",
    ["await asyncio.sleep(60)", "async with hub: await hub.connected()",
     "hub.publish('history:1', 'x'); await hub.close()"],
    ids=["search", "context", "close"],
)  # fmt: skip
@pytest.mark.parametrize("url", ["redis://{}", "redis+sentinel://{}/main", "redis+cluster://{}"])
def test_a_loop_that_ends_before_redis_answers(url: str, during: str, is_closed: bool) -> None:
    """Whoever is asked for the server, or is it, says nothing."""
    script = f"""
import asyncio, gc, socket, wscore
from support.node_hubs import ROOMS

{OUTERMOST_FIRST}
silent = socket.create_server(("127.0.0.1", 0))
url = {url!r}.format("127.0.0.1:%d" % silent.getsockname()[1])

async def use():
    hub = wscore.Hub(url, rooms=ROOMS)
    hub.start()
    {during}

async def main():
    global using
    using = asyncio.ensure_future(use())
    await asyncio.sleep(0.2)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
if {is_closed}:
    loop.close()
del loop, using
gc.collect()
"""
    done = start(script)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr


@pytest.mark.parametrize("url", ["redis://{}", "redis+sentinel://{}/main", "redis+cluster://{}"])
def test_a_loop_that_is_closed_in_any_turn_of_a_search(url: str) -> None:
    """asyncio closes a transport that is not handed over yet; on a closed loop, it cannot."""
    script = f"""
import asyncio, gc, socket, wscore

{OUTERMOST_FIRST}
silent = socket.create_server(("127.0.0.1", 0))
url = {url!r}.format("127.0.0.1:%d" % silent.getsockname()[1])

async def main(turns):
    hub = wscore.Hub(url)
    hub.start()
    for _ in range(turns):
        await asyncio.sleep(0)

for turns in range(20):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(turns))
    loop.close()
    del loop
    gc.collect()
"""
    done = start(script)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr


def test_a_hub_that_connects_to_nothing_is_whole(redis_server: RedisServer) -> None:
    """Nobody is warned of a hub that was never started, nor of one that could not be made."""
    Hub(redis_server.url())
    with pytest.raises(ValueError, match="begin with"):
        Hub("http://localhost")


def test_everything_after_the_close(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with Hub(redis_server.url(), rooms=ROOMS) as hub, pair() as (_, ws):
            await hub.connected()
            hub.join(ws, "plain")
            await hub.close()
            for call in (
                lambda: hub.join(ws, "plain"),
                lambda: hub.publish("plain", "x"),
                lambda: hub.publish("history:1", "x"),
                lambda: hub.publish_threadsafe("plain", "x"),
                hub.start,
            ):
                with pytest.raises(RuntimeError, match="closed"):
                    call()
            for ask in (hub.connected, hub.__aenter__):
                with pytest.raises(RuntimeError, match="closed"):
                    await ask()
            assert hub.leave(ws, "plain") is False
            assert (len(hub.members("plain")), len(hub.rooms(ws))) == (0, 0)
            await hub.drain()
            await hub.close()
            assert hub.stats.link == "closed"

    run(main())


@pytest.mark.parametrize("how", ["password", "replica", "nobody"])
def test_a_server_that_is_required(
    run: Run, fresh_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture, how: str
) -> None:
    server = fresh_redis(("requirepass", "secret") if how == "password" else ("save", '""'))
    if how == "replica":
        server.do("REPLICAOF", "127.0.0.1", 1)
    elif how == "nobody":
        server.kill()
    expected = {"password": "password", "replica": "replica", "nobody": "nobody listens"}

    async def main() -> None:
        before = asyncio.all_tasks()
        hub = Hub(server.url(":wrong" if how == "password" else ""), require=True)
        with pytest.raises(BrokerUnavailable, match=expected[how]) as raised:
            await hub.__aenter__()
        assert "wrong" not in str(raised.value).replace("WRONGPASS", "")
        assert asyncio.all_tasks() == before
        with pytest.raises(RuntimeError, match="closed"):
            hub.start()

    run(main())
    caplog.clear()
