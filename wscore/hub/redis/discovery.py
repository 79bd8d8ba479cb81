"""Finds the server to talk to, by asking Sentinel or a cluster, and makes clients of redis-py."""

from __future__ import annotations

import asyncio
import binascii
from collections import Counter
from typing import TYPE_CHECKING, Any

import hiredis

from .wire import Address, Afterwards, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .target import Host, RedisTarget
    from .wire import Arguments

__all__ = ["client_of", "master_of_partition", "master_of_service", "slot_of"]

# Seconds for those asked to answer; most of them decide. Less than a try to connect may take.
ASKING = 0.5
SLOTS = 16384


def slot_of(partition: int) -> int:
    """The slot of a cluster that keys and channels with the tag of *partition* are in."""
    return binascii.crc_hqx(b"%d" % partition, 0) % SLOTS


async def master_of_service(target: RedisTarget) -> Address:
    """Ask all Sentinels which server is the master. Raises OSError and hiredis.ReplyError."""
    auth: list[Arguments] = []
    if target.sentinel_username is not None:
        auth = [("AUTH", target.sentinel_username, target.sentinel_password or "")]
    elif target.sentinel_password is not None:
        auth = [("AUTH", target.sentinel_password)]
    service = target.service or ""

    def read(answer: Any, _: Host) -> Host:
        if answer is None:
            raise ConnectionError(f"Sentinel knows no master named {service!r}")
        return answer[0].decode(), int(answer[1])

    asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
    return await _agreed(target, [*auth, asked], read)


async def master_of_partition(target: RedisTarget, partition: int) -> Address:
    """Ask nodes of the cluster who has *partition*. Raises OSError and hiredis.ReplyError."""
    slot = slot_of(partition)

    def read(answer: Any, asked: Host) -> Host:
        for first, last, master, *_ in answer:
            if first <= slot <= last:
                # A node that does not know its own name is where it was asked.
                return (master[0] or b"").decode() or asked[0], int(master[1])
        raise ConnectionError(f"no node of the cluster has slot {slot}")

    auth = [command for command in target.greeting() if command[0] == "AUTH"]
    return await _agreed(target, [*auth, ("CLUSTER", "SLOTS")], read)


async def _agreed(
    target: RedisTarget, commands: Sequence[Arguments], read: Callable[[Any, Host], Host]
) -> Address:
    """What most of the hosts say that answer soon; raises the first error if none does."""
    tls = target.tls_context()

    async def one(host: Host) -> Host:
        answers = await ask(Address(*host, None, tls), *commands)
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise answer
        return read(answers[-1], host)

    asking = [asyncio.ensure_future(one(host)) for host in target.hosts]

    async def stop() -> None:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)

    async with Afterwards(stop):
        await asyncio.wait(asking, timeout=ASKING)
        done = [task for task in asking if task.done()]
    if not done:
        raise TimeoutError(f"no answer within {ASKING:g} s")
    said = Counter(task.result() for task in done if task.exception() is None)
    if not said:
        errors = [error for task in done if isinstance(error := task.exception(), Exception)]
        # What somebody has answered says more than that others cannot be reached.
        answers = [
            error for error in errors if type(error) in (ConnectionError, hiredis.ReplyError)
        ]
        raise (answers or errors)[0]
    [(host, _)] = said.most_common(1)
    return Address(*host, None, tls)


def client_of(target: RedisTarget) -> Any:
    """Return a client of redis-py that answers bytes."""
    import redis.asyncio

    options: dict[str, Any] = {
        "username": target.username,
        "password": target.password,
        # Also for Valkey and old servers, and without the notifications of RESP3.
        "protocol": 2,
    }
    if target.tls:
        options |= {
            "ssl": True,
            "ssl_ca_certs": target.ca,
            "ssl_certfile": target.cert,
            "ssl_keyfile": target.key,
            "ssl_cert_reqs": "none" if target.insecure else "required",
            "ssl_check_hostname": not target.insecure,
        }
    if target.kind == "cluster":
        nodes = [redis.asyncio.cluster.ClusterNode(host, port) for host, port in target.hosts]
        return redis.asyncio.RedisCluster(startup_nodes=nodes, **options)
    options["db"] = target.db
    if target.path is not None:
        return redis.asyncio.Redis(unix_socket_path=target.path, **options)
    if target.kind == "sentinel":
        return _client_by_sentinel(target, options)
    host, port = target.hosts[0]
    return redis.asyncio.Redis(host=host, port=port, **options)


def _client_by_sentinel(target: RedisTarget, options: dict[str, Any]) -> Any:
    from redis.asyncio import Redis
    from redis.asyncio.sentinel import Sentinel

    own = {name: value for name, value in options.items() if name.startswith(("ssl", "protocol"))}
    own |= {"username": target.sentinel_username, "password": target.sentinel_password}
    sentinel: Any = Sentinel(list(target.hosts), sentinel_kwargs=own, **options)  # type: ignore[no-untyped-call]

    class Client(Redis):
        """Closes the connections to the Sentinels as well."""

        async def aclose(self, close_connection_pool: bool | None = None) -> None:
            await super().aclose(close_connection_pool)
            for watching in sentinel.sentinels:
                await watching.aclose()

    return sentinel.master_for(target.service, redis_class=Client)
