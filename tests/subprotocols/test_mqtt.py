"""MQTT: mosquitto behind the bridge of the examples, by paho-mqtt and by mqtt of npm."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
import signal
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.clients import Clients, Failed
from subprotocols.serving import ROOT, serving
from support.asgi_servers import launched
from support.gate import Gate, gate_to
from support.processes import free_port, wait_until_listening

import wscore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from subprotocols.clients import Client
    from support.asgi_servers import AsgiServer
    from support.node import Node

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.timeout(180)  # npm may have to install the packages first

KINDS = [("paho", "3.1.1"), ("paho", "5"), ("node", "3.1.1"), ("node", "5")]
EACH = pytest.mark.parametrize("kind", KINDS, ids="-".join)
# Neither the library nor the version of the other one.
OTHER = dict(zip(KINDS, reversed(KINDS), strict=True))
LASTING = {"clean": False}
TEXT, TIMES = "Grüße 👋 ", 100_000  # more than a MiB
HASH = hashlib.sha256((TEXT * TIMES).encode()).hexdigest()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiServer]:
    folder = tmp_path_factory.mktemp("mosquitto")
    with serving("bridged_brokers", folder, which="mqtt") as server:
        yield server
        assert server.stop() == 0


async def enter(
    clients: Clients, port: int, kind: tuple[str, str], name: str, **options: Any
) -> Client:
    """A client that is connected, for the first time."""
    made = await clients.start(port, *kind, scheme=options.pop("scheme", "ws"))
    await made.do("open", f"{name} {kind}", options)
    assert await made.happens("opened") is False
    return made


@asynccontextmanager
async def cut(gate: Gate) -> AsyncIterator[None]:
    """Cut the link of who is there; they cannot come back as long as the context lasts."""
    where, gate.target = gate.target, free_port()
    await gate.stop()
    yield
    gate.target = where


async def settled(client: Client) -> None:
    """Wait until the broker knows what *client* has received.

    A client may still be about to acknowledge that when it tells it, but not when it has heard the
    answer to something else.
    """
    for _ in range(2):
        await client.do("publish", "settled", "", 1, {"qos": 1})


@EACH
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_and_subscribe(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str], qos: int
) -> None:
    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            topic, options = f"news/{qos}/{kind}", {"qos": qos}
            ann = await enter(clients, broker.port, kind, "ann")
            bob = await enter(clients, broker.port, OTHER[kind], "bob")
            for each in (ann, bob):
                assert await each.do("subscribe", f"{topic}/#", qos) == qos
            # Many of one size, and one that no frame of 64 KiB can hold.
            for number in range(20):
                await ann.do("publish", f"{topic}/a", TEXT, number, options)
            await bob.do("publish", f"{topic}/b", TEXT, TIMES, options)
            for each in (ann, bob):
                heard = [await each.happens("message") for _ in range(21)]
                small = [[f"{topic}/a", TEXT * number, qos, False] for number in range(20)]
                assert [one for one in heard if one[0].endswith("a")] == small
                assert [f"{topic}/b", HASH, qos, False] in heard

    run(main())


@EACH
def test_nothing_is_lost_while_a_client_is_away(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    """With QoS 1 and a session that lasts: it does not even subscribe again."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("mqtt", node) as clients:
            topic, options = f"away/{kind}", {"qos": 1}
            ann = await enter(clients, gate.port, kind, "ann, away", **LASTING)
            bob = await enter(clients, broker.port, OTHER[kind], "bob, away")
            await ann.do("subscribe", topic, 1)
            await bob.do("publish", topic, "before", 1, options)
            assert await ann.happens("message") == [topic, "before", 1, False]
            for turn in range(3):
                await settled(ann)
                async with cut(gate):
                    await ann.happens("closed")
                    texts = [f"{turn} {number}" for number in range(50)]
                    for text in texts:
                        await bob.do("publish", topic, text, 1, options)
                assert await ann.happens("opened") is True
                heard = [await ann.happens("message") for _ in texts]
                assert heard == [[topic, text, 1, False] for text in texts]
            await bob.do("publish", topic, "after", 1, options)
            assert await ann.happens("message") == [topic, "after", 1, False]
            assert not ann.has_happened("message")

    run(main())


@EACH
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_not_acknowledged_is_published_again(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str], qos: int
) -> None:
    """The broker has it, but its answer gets lost. With QoS 2 nobody hears of it twice."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("mqtt", node) as clients:
            topic = f"again/{qos}/{kind}"
            ann = await enter(clients, gate.port, kind, f"ann, again {qos}", **LASTING)
            bob = await enter(clients, broker.port, OTHER[kind], f"bob, again {qos}")
            await bob.do("subscribe", f"{topic}/#", 2)
            gate.mute = True
            await ann.do("publish", topic, "what", 1, {"qos": 0})
            sent = ann.start("publish", topic, "once", 1, {"qos": qos})
            heard = [await bob.happens("message")]
            if qos == 1:  # at once; with QoS 2 only when the client has heard of it
                heard.append(await bob.happens("message"))
            assert not sent.done()
            async with cut(gate):
                gate.mute = False
                await ann.happens("closed")
            await sent
            assert await ann.happens("opened") is True
            heard.append(await bob.happens("message"))
            await ann.do("publish", topic, "last", 1, {"qos": 2})
            heard.append(await bob.happens("message"))
            texts = ["what", *["once"] * (2 if qos == 1 else 1), "last"]
            assert [text for _, text, *_ in heard] == texts

    run(main())


@EACH
@pytest.mark.parametrize("qos", [1, 2])
def test_what_a_client_did_not_get_comes_again(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str], qos: int
) -> None:
    """The broker has sent it, and it was lost on the way."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("mqtt", node) as clients:
            topic, options = f"in flight/{qos}/{kind}", {"qos": qos}
            ann = await enter(clients, gate.port, kind, f"ann, in flight {qos}", **LASTING)
            bob = await enter(clients, broker.port, OTHER[kind], f"bob, in flight {qos}")
            for each in (ann, bob):
                await each.do("subscribe", topic, qos)
            await settled(ann)
            gate.mute = True
            await bob.do("publish", topic, "once", 1, options)
            assert await bob.happens("message") == [topic, "once", qos, False]
            async with cut(gate):
                gate.mute = False
                await ann.happens("closed")
            assert await ann.happens("opened") is True
            await bob.do("publish", topic, "last", 1, options)
            heard = [await ann.happens("message") for _ in range(2)]
            assert heard == [[topic, text, qos, False] for text in ("once", "last")]

    run(main())


@EACH
def test_retained_messages(run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]) -> None:
    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            topic, options = f"kept/{kind}", {"qos": 1, "retain": True}
            ann = await enter(clients, broker.port, kind, "ann, retained")
            bob = await enter(clients, broker.port, OTHER[kind], "bob, retained")
            await ann.do("publish", f"{topic}/large", TEXT, TIMES, options)
            await ann.do("publish", f"{topic}/small", "first", 1, options)
            await ann.do("publish", f"{topic}/small", "second", 1, options)
            await bob.do("subscribe", f"{topic}/#", 1)
            kept = sorted([await bob.happens("message") for _ in range(2)])
            assert kept == [
                [f"{topic}/large", HASH, 1, True], [f"{topic}/small", "second", 1, True]
            ]  # fmt: skip
            await ann.do("publish", f"{topic}/small", "third", 1, options)
            assert await bob.happens("message") == [f"{topic}/small", "third", 1, False]
            for name in ("large", "small"):
                await ann.do("publish", f"{topic}/{name}", "", 1, options)  # forgets it
            await ann.do("subscribe", f"{topic}/#", 1)
            await ann.do("publish", f"{topic}/small", "new", 1, {"qos": 1})
            assert await ann.happens("message") == [f"{topic}/small", "new", 1, False]

    run(main())


@EACH
def test_a_will(run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]) -> None:
    """It is for a connection that is lost, not for one that is closed."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("mqtt", node) as clients:
            topic = f"will/{kind}"
            bob = await enter(clients, broker.port, OTHER[kind], "bob, will")
            await bob.do("subscribe", topic, 1)
            for name in ("closes", "is lost"):
                ann = await enter(clients, gate.port, kind, name, will=[topic, name])
                if name == "closes":
                    await ann.do("close")
            await gate.stop()
            assert await bob.happens("message") == [topic, "is lost", 1, False]
            assert not bob.has_happened("message")

    run(main())


@EACH
def test_a_silent_link_is_noticed(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    """By the heartbeats of MQTT, at both ends: the bridge does not hide it."""

    async def main() -> None:
        async with gate_to(broker.port) as gate, Clients("mqtt", node) as clients:
            topic = f"silent/{kind}"
            bob = await enter(clients, broker.port, OTHER[kind], "bob, silent")
            await bob.do("subscribe", topic, 1)
            options: Any = {"keepalive": 1, "will": [topic, "gone"]} | LASTING
            ann = await enter(clients, gate.port, kind, "ann, silent", **options)
            gate.shut = True
            assert await bob.happens("message") == [topic, "gone", 1, False]
            await ann.happens("closed")
            gate.shut = False
            await gate.stop()  # also attempts to come back
            assert await ann.happens("opened") is True

    run(main())


@EACH
def test_a_client_without_the_subprotocol(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            ann = await clients.start(broker.port, *kind)
            with pytest.raises(Failed, match="400" if kind[0] == "node" else "not upgraded"):
                await ann.do("open", "ann", {"subprotocol": False})
            assert not ann.has_happened("opened")

    run(main())


@EACH
def test_a_bridge_that_stops_says_so(
    run: Run, node: Node, tmp_path: Path, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        with serving("bridged_brokers", tmp_path, which="mqtt") as server:
            async with Clients("mqtt", node) as clients:
                ann = await enter(clients, server.port, kind, "ann")
                uri = f"ws://127.0.0.1:{server.port}/"
                async with wscore.connect(uri, subprotocols=["mqtt"]) as ws:
                    await ws.send(CONNECT)
                    assert await ws.recv() == ACCEPTED
                    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
                    await ws.wait_closed()
                    assert ws.close_code == 1001
                await ann.happens("closed")

    run(main())


# The commands of the documentation ---------------------------------------------------------------


@pytest.fixture
def commands(broker: AsgiServer) -> tuple[list[list[str]], int, int]:
    """Those for a broker that is there, and the ports for WebSocket and for TCP clients."""
    text = (ROOT / "docs" / "subprotocols.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```sh\n(.*:1883 .*?)^```$", text, re.DOTALL | re.MULTILINE)
    [target] = re.findall(r"--to 127\.0\.0\.1:(\d+)", broker.log)
    ports = free_port(), free_port()
    for printed, port in zip(("1883", "8083", "1884"), (target, *ports), strict=True):
        block = block.replace(f":{printed}", f":{port}")
    return [["-m", *shlex.split(line)] for line in block.splitlines()], *ports


def test_the_example_starts_what_the_documentation_prints(broker: AsgiServer) -> None:
    text = (ROOT / "docs" / "subprotocols.md").read_text(encoding="utf-8")
    [printed, started] = [
        re.sub(r":\d+", "", re.findall(r"wscore (bridge --listen .* mqtt .*)$", each, re.M)[0])
        for each in (text, broker.log)
    ]
    assert started == printed


@pytest.mark.parametrize("kind", KINDS[::2], ids="-".join)
def test_the_commands_as_printed(
    run: Run, node: Node, tmp_path: Path, commands: Any, kind: tuple[str, str]
) -> None:
    """One for WebSocket clients, and one that takes TCP clients to it."""
    (to_tcp, to_websocket), ws_port, tcp_port = commands

    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            topic = f"printed/{kind}"
            ann = await enter(clients, ws_port, kind, "ann, printed")
            bob = await enter(clients, tcp_port, OTHER[kind], "bob, printed", scheme="mqtt")
            for each in (ann, bob):
                await each.do("subscribe", topic, 1)
            for each in (ann, bob):
                await each.do("publish", topic, TEXT, TIMES, {"qos": 1})
            for each in (ann, bob):
                for _ in range(2):
                    assert await each.happens("message") == [topic, HASH, 1, False]

    with (
        launched(to_tcp, tmp_path, ws_port) as first,
        launched(to_websocket, tmp_path, tcp_port) as second,
    ):
        for server in (first, second):
            wait_until_listening(server.process, server.port)
        run(main())
        for server in (second, first):
            assert server.stop() == 0


def test_why_the_bridge_sends_no_pings(run: Run, node: Node, tmp_path: Path, commands: Any) -> None:
    """What paho-mqtt answers is not masked."""
    ([command, _], port, _) = commands

    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            ann = await enter(clients, port, KINDS[0], "ann, pinged")
            await ann.happens("closed")

    pinging = ["--ping-interval", "0.2", "--log-level", "debug"]
    with launched([*command, *pinging], tmp_path, port) as server:
        wait_until_listening(server.process, port)
        run(main())
        server.wait_for_log("unmasked frame from a client")


# Packets that are cut as no client cuts them -----------------------------------------------------


def packet(kind: int, body: bytes) -> bytes:
    """One of MQTT 3.1.1, of that kind with its flags."""
    length, left = b"", len(body)
    while left >= 128:
        length += bytes([left & 127 | 128])
        left >>= 7
    return bytes([kind]) + length + bytes([left]) + body


def string(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


CONNECT = packet(0x10, string("MQTT") + b"\x04\x02\x00\x00" + string("by hand"))
ACCEPTED = bytes.fromhex("20020000")


def test_a_client_that_is_sent_away(run: Run, broker: AsgiServer) -> None:
    """By the broker, since another one has its name: it sees an end, and the other stays."""

    async def main() -> None:
        uri = f"ws://127.0.0.1:{broker.port}/"
        connect = partial(wscore.connect, uri, subprotocols=["mqtt"])
        async with connect() as first, connect() as second:
            for ws in (first, second):
                await ws.send(CONNECT)
                assert await ws.recv() == ACCEPTED
            await first.wait_closed()
            assert first.close_code == 1001
            await second.send(packet(0xC0, b""))
            assert await second.recv() == b"\xd0\x00"

    run(main())


@EACH
@pytest.mark.parametrize("size", [1, 1000, 1 << 20, 1 << 23])
def test_messages_need_not_end_where_packets_do(
    run: Run, node: Node, broker: AsgiServer, kind: tuple[str, str], size: int
) -> None:
    """Nor in a frame: a packet in many of them, and many packets in one."""

    async def main() -> None:
        uri = f"ws://127.0.0.1:{broker.port}/"
        topic = f"cut/{size}/{kind}"
        text, times = (TEXT, TIMES if size > 1 else 100)
        large = packet(0x30, string(f"{topic}/large") + (text * times).encode())
        small = [packet(0x30, string(f"{topic}/small") + str(n).encode()) for n in range(200)]
        async with Clients("mqtt", node) as clients:
            ann = await enter(clients, broker.port, kind, f"ann, cut {size}")
            await ann.do("subscribe", f"{topic}/#", 0)
            async with wscore.connect(uri, subprotocols=["mqtt"]) as ws:
                data = CONNECT + b"".join(small) + large + packet(0xC0, b"")
                for start in range(0, len(data), size):
                    await ws.send(data[start : start + size])
                answers = b""
                while len(answers) < 6:
                    answers += await ws.recv()
                assert answers == ACCEPTED + b"\xd0\x00"
            for number in range(200):
                assert await ann.happens("message") == [f"{topic}/small", str(number), 0, False]
            sha256 = hashlib.sha256((text * times).encode()).hexdigest()
            assert await ann.happens("message") == [f"{topic}/large", sha256, 0, False]

    run(main())
