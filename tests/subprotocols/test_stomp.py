"""STOMP: RabbitMQ behind the bridge of the examples, by stomp.py and by @stomp/stompjs of npm."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.clients import Clients, Failed
from subprotocols.serving import descendant, serving
from support.gate import gate_to

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from subprotocols.clients import Client
    from support.asgi_servers import AsgiServer
    from support.node import Node

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.timeout(180)  # npm may have to install the packages first

STARTING = 120.0  # seconds until RabbitMQ is there
KINDS = [("stomp.py", "1.2"), ("stomp.py", "1.1"), ("node", "1.2"), ("node", "1.1")]
EACH = pytest.mark.parametrize("kind", KINDS, ids="-".join)
# Neither the library nor the version of the other one.
OTHER = dict(zip(KINDS, reversed(KINDS), strict=True))
# Characters of one to four bytes, so that some end in another message; more than a MiB.
TEXT, TIMES = "Grüße 👋 ", 100_000
HASH = hashlib.sha256((TEXT * TIMES).encode()).hexdigest()
ONE_BY_ONE = "client-individual"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiServer]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    with serving("bridged_brokers", folder, which="stomp", patience=STARTING) as server:
        yield server
        assert server.stop() == 0


async def enter(clients: Clients, port: int, kind: tuple[str, str], **options: Any) -> Client:
    """A client that is connected."""
    made = await clients.start(port, *kind)
    await made.do("open", options)
    assert await made.happens("opened") == kind[1]
    return made


def queue(name: str, kind: tuple[str, str]) -> str:
    return f"/queue/{name} {'-'.join(kind)}"


@EACH
def test_subscribe_and_send(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("stomp", node) as clients:
            ann = await enter(clients, broker.port, kind)
            bob = await enter(clients, broker.port, OTHER[kind])
            topic = f"/topic/{'-'.join(kind)}"
            for each in (ann, bob):
                await each.do("subscribe", "news", topic, "auto")
            for number in range(1, 20):
                await ann.do("send", topic, TEXT, number)
            await bob.do("send", topic, TEXT, TIMES)
            for each in (ann, bob):
                heard = [await each.happens("message") for _ in range(20)]
                small = [["news", TEXT * number, False] for number in range(1, 20)]
                assert heard == [*small, ["news", HASH, False]]
            for each in (ann, bob):
                await each.do("close")
                await each.happens("closed")

    run(main())


@EACH
def test_acknowledgements(run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]) -> None:
    """What was refused comes again; what was accepted does not."""

    async def main() -> None:
        async with Clients("stomp", node) as clients:
            where = queue("acknowledged", kind)
            bob = await enter(clients, broker.port, OTHER[kind])
            for text in ("one", "two", "three"):
                await bob.do("send", where, text, 1)
            ann = await enter(clients, broker.port, kind)
            await ann.do("subscribe", "work", where, ONE_BY_ONE)
            heard = [await ann.happens("message") for _ in range(3)]
            assert heard == [["work", text, False] for text in ("one", "two", "three")]
            await ann.do("answer", "ack", "one")
            await ann.do("answer", "nack", "two")
            assert await ann.happens("message") == ["work", "two", True]
            await ann.do("answer", "ack", "three")
            await ann.do("answer", "ack", "two")
            await ann.do("close")
            # Nothing is left.
            await bob.do("subscribe", "work", where, ONE_BY_ONE)
            await bob.do("send", where, "four", 1)
            assert await bob.happens("message") == ["work", "four", False]

    run(main())


@EACH
def test_a_client_is_lost_and_comes_back(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    """What it has not acknowledged comes again, and what was sent meanwhile is not lost."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("stomp", node) as clients:
            where = queue("lost", kind)
            bob = await enter(clients, broker.port, OTHER[kind])
            ann = await enter(clients, gate.port, kind)
            await ann.do("subscribe", "work", where, ONE_BY_ONE)
            for text in ("accepted", "pending"):
                await bob.do("send", where, text, 1)
                assert await ann.happens("message") == ["work", text, False]
            await ann.do("answer", "ack", "accepted")
            await gate.stop()  # the link is cut, without a Close
            await ann.happens("closed")
            await bob.do("send", where, TEXT, TIMES)
            assert await ann.happens("opened") == kind[1]  # it has come back by itself
            # The broker may still have given the other one to the lost connection.
            heard = sorted([await ann.happens("message") for _ in range(2)])
            assert [text for _, text, _ in heard] == [HASH, "pending"]
            assert heard[1] == ["work", "pending", True]
            for text in ("pending", HASH):
                await ann.do("answer", "ack", text)
            await ann.do("close")
            await bob.do("subscribe", "work", where, ONE_BY_ONE)
            await bob.do("send", where, "last", 1)
            assert await bob.happens("message") == ["work", "last", False]

    run(main())


@EACH
def test_heartbeats(run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]) -> None:
    """They keep a connection, and without them both ends notice that a link is silent."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("stomp", node) as clients:
            where = queue("silent", kind)
            # npm's would wait for an answer to its Close otherwise.
            options = {"heartbeats": [300, 300], "discardWebsocketOnCommFailure": True}
            ann = await enter(clients, gate.port, kind, **options)
            await ann.do("subscribe", "work", where, ONE_BY_ONE)
            await ann.do("send", where, "pending", 1)
            assert await ann.happens("message") == ["work", "pending", False]
            # Without its own the broker would have closed it by then.
            for _ in range(10):
                await ann.happens("heartbeat")
            assert not ann.has_happened("closed")
            bob = await enter(clients, broker.port, OTHER[kind])
            await bob.do("subscribe", "work", where, ONE_BY_ONE)
            gate.shut = True
            # The broker has given it up.
            assert await bob.happens("message") == ["work", "pending", True]
            await ann.happens("closed")
            gate.shut = False
            await gate.stop()  # also attempts to come back
            await ann.happens("opened")

    run(main())


@EACH
def test_errors(run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]) -> None:
    """RabbitMQ does not end a connection after each, though STOMP has it so."""

    async def main() -> None:
        async with Clients("stomp", node) as clients:
            ann = await enter(clients, broker.port, kind)
            ann.start("send", "/nowhere/at all", "text", 1)
            assert await ann.happens("error") == "Unknown destination"
            eve = await clients.start(broker.port, *kind)
            with pytest.raises(Failed):
                await eve.do("open", {"password": "wrong", "again": False})
            assert await eve.happens("error") == "Bad CONNECT"
            assert not ann.has_happened("closed")

    run(main())


@EACH
def test_a_client_without_the_subprotocol(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("stomp", node) as clients:
            ann = await clients.start(broker.port, *kind)
            with pytest.raises(Failed, match="400" if kind[0] == "node" else "ConnectFailed"):
                await ann.do("open", {"subprotocol": False, "again": False})
            assert not ann.has_happened("opened")

    run(main())


WAYS = {
    "split": {"splitLargeFrames": True, "maxWebSocketChunkSize": 1000},
    "binary": {"forceBinaryWSFrames": True},
}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_how_a_client_may_send_frames(
    run: Run, node: Node, broker: AsgiServer, options: dict[str, Any]
) -> None:
    """In many messages, for there are servers which demand that; and in binary ones."""

    async def main() -> None:
        async with Clients("stomp", node) as clients:
            ann = await enter(clients, broker.port, ("node", "1.2"), **options)
            await ann.do("subscribe", "own", "/topic/ways", "auto")
            # Where it cuts, it cuts characters of four bytes in two: those would be lost.
            text, times = TEXT.replace("👋", "€"), TIMES
            await ann.do("send", "/topic/ways", text, times)
            sha256 = hashlib.sha256((text * times).encode()).hexdigest()
            assert await ann.happens("message") == ["own", sha256, False]

    run(main())


def test_versions(run: Run, broker: AsgiServer) -> None:
    """The bridge prefers the newer one, and sends text."""

    async def main() -> None:
        uri = f"ws://127.0.0.1:{broker.port}/"
        for offered, chosen in (
            (["v11.stomp", "v12.stomp"], "v12.stomp"),
            (["v10.stomp", "v11.stomp"], "v11.stomp"),
        ):
            async with wscore.connect(uri, subprotocols=offered) as ws:
                assert ws.subprotocol == chosen
                head = "accept-version:1.1,1.2\nhost:/\nlogin:guest\npasscode:guest"
                for each in f"CONNECT\n{head}\n\n\0":  # as many messages as characters
                    await ws.send(each)
                answer = await ws.recv()
                assert isinstance(answer, str)
                assert answer.startswith("CONNECTED\n")
        with pytest.raises(wscore.InvalidStatus) as refused:
            await wscore.connect(uri, subprotocols=["v10.stomp"])
        assert refused.value.status == 400

    run(main())


async def the_end_of(broker: AsgiServer, node: Node, end: Callable[[], Any]) -> list[Any]:
    """What one client of each library is told when *end* ends a part of what serves them."""
    async with Clients("stomp", node) as clients:
        entered = [await enter(clients, broker.port, kind, again=False) for kind in KINDS[::2]]
        await asyncio.to_thread(end)
        return [await each.happens("closed") for each in entered]


def test_a_bridge_that_stops_says_so(run: Run, node: Node, tmp_path: Path) -> None:
    with serving("bridged_brokers", tmp_path, which="stomp", patience=STARTING) as server:
        # stomp.py does not tell the code.
        assert run(the_end_of(server, node, server.stop)) == [None, 1001]
        assert server.process.returncode == 0


def test_a_broker_that_is_killed_ends_its_clients(run: Run, node: Node, tmp_path: Path) -> None:
    def kill() -> None:
        os.kill(descendant(server.process.pid, "beam.smp"), signal.SIGKILL)

    with serving("bridged_brokers", tmp_path, which="stomp", patience=STARTING) as server:
        assert run(the_end_of(server, node, kill)) == [None, 1001]
        assert server.process.wait(30) == 1
        assert "a part of it has ended" in server.log
