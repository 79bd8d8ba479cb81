"""Ways to connect, and what is said to whoever has to do something."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.redis_links import QUICK, is_alive, is_back, linked, until, until_told

from wscore.errors import BrokerUnavailable
from wscore.protocol.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer


# What a person must do ---------------------------------------------------------------------------

ACL = (
    ("user", "default", "on", ">hush", "~*", "&*", "+@all"),
    ("user", "deaf", "on", ">hush", "~*", "&*", "+@all", "-subscribe"),
    ("user", "elsewhere", "on", ">hush", "~*", "resetchannels", "&other*", "+@all"),
    ("user", "plain", "on", ">hush", "~*", "&*", "-@all", "+subscribe", "+unsubscribe",
     "+publish"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("userinfo", "text"),
    [
        ("", "put it into the URL"),
        (":wrong", "set the user and password of the URL"),
        ("nobody:hush", "set the user and password of the URL"),
        ("deaf:hush", "'subscribe' command.*allow it with ACL SETUSER"),
        ("elsewhere:hush", "channel.*allow it with ACL SETUSER"),
    ],
)
def test_who_may_not(
    run: Callable[..., Any],
    fresh_redis: Callable[..., RedisServer],
    caplog: pytest.LogCaptureFixture,
    userinfo: str,
    text: str,
) -> None:
    server = fresh_redis(*ACL)

    async def main() -> None:
        async with linked(server.url(userinfo)) as world:
            with pytest.raises(BrokerUnavailable, match=text) as caught:
                await world.link.connected()
            assert "hush" not in str(caught.value)
            for _ in range(3):
                # It is tried for ever, and logged once.
                with pytest.raises(BrokerUnavailable, match=text):
                    await world.link.connected()
            assert not world.ups
            assert not world.downs

    run(main())
    [logged] = [r.getMessage() for r in caplog.records if "does not arrive" in r.getMessage()]
    assert "hush" not in logged


def test_few_permissions_are_enough(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis(*ACL)

    async def main() -> None:
        async with linked(server.url("plain:hush")) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            await until(lambda: world.link.lag)
            await is_alive(world, "r:a")
            assert not world.downs

    run(main())


def test_a_password_that_is_put_right(
    run: Callable[..., Any],
    fresh_redis: Callable[..., RedisServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = fresh_redis()

    async def main() -> None:
        async with linked(server.url(":hush")) as world:
            with pytest.raises(BrokerUnavailable, match="without any password"):
                await world.link.connected()
            server.do("CONFIG", "SET", "requirepass", "hush")
            await until(lambda: world.ups == [False])

    run(main())
    [*_, last] = [record for record in caplog.records if record.name == "wscore.hub"]
    assert (last.levelname, last.getMessage()[-11:]) == ("INFO", "works again")


def test_nobody_there(
    run: Callable[..., Any],
    fresh_redis: Callable[..., RedisServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = fresh_redis()
    server.kill()

    async def main() -> None:
        async with linked(server.url()) as world:
            for _ in range(4):
                with pytest.raises(BrokerUnavailable, match="nobody listens there"):
                    await world.link.connected()
            assert world.link.state == "down"
            server.start()
            await until(lambda: world.ups == [False])
            assert world.link.reconnects == 0

    run(main())
    texts = [record.getMessage() for record in caplog.records if record.name == "wscore.hub"]
    assert len([text for text in texts if "does not arrive" in text]) == 1
    assert all(text.startswith(f"redis://localhost:{server.port}: ") for text in texts)


def test_a_server_that_loads_its_data(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.load_slowly()

    async def main() -> None:
        async with linked(server.url()) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            server.restart(with_data=True, wait=False)
            await until(lambda: world.downs)

            await until_told(world.link, "loading its data")
            await is_back(world)
            await is_alive(world, "r:a")

    run(main())


def test_something_that_is_not_redis(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with linked(f"redis://127.0.0.1:{port}") as world:
            with pytest.raises(BrokerUnavailable, match="not Redis' protocol"):
                await world.link.connected()
        server.close()
        await server.wait_closed()

    run(main())


# Ways to connect ---------------------------------------------------------------------------------


def test_a_unix_socket(run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]) -> None:
    server = fresh_redis(*ACL, unix=True)

    async def main() -> None:
        async with linked(server.url("default:hush", db=3)) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            await is_alive(world, "r:a")
            server.kill()
            await until(lambda: world.downs)
            with pytest.raises(BrokerUnavailable, match=f"unix://{server.path}: nobody listens"):
                await world.link.connected()
            assert server.path is not None
            server.path.unlink()
            await until_told(world.link, "no such socket")

    run(main())


def test_tls(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer], certificate: Any
) -> None:
    server = fresh_redis(certificate=certificate)

    async def main() -> None:
        async with linked(server.url(query=f"ca={certificate}")) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            await is_alive(world, "r:a")
            server.kill_subscribers()
            await is_back(world)
        async with linked(server.url(query="insecure=1")) as world:
            await world.link.connected()
        # Not again before the end: uvloop forgets a handshake's error if it is cancelled just then.
        once = replace(QUICK, backoff=Backoff(initial_delay=30.0, max_retries=None))
        async with linked(server.url(), once) as world:
            both = world.link.connected(), world.outbox.connected()
            for told in await asyncio.gather(*both, return_exceptions=True):
                assert isinstance(told, BrokerUnavailable)
                assert re.search("TLS failed: .*ca=FILE", str(told))
        async with linked(server.url().replace("rediss", "redis")) as world:
            with pytest.raises(BrokerUnavailable):
                await world.link.connected()

    run(main())
