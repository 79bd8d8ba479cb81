"""GraphQL by subscription: Strawberry under uvicorn on wscore, by the clients of both protocols."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import Served, app_of, closed
from frameworks.serving import serving as serving_app
from subprotocols.clients import Clients
from support.asgi_servers import OURS
from support.gate import gate_to
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from subprotocols.clients import Client
    from support.node import Node

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.timeout(180)  # npm may have to install the packages first

NEWER, OLDER = "graphql-transport-ws", "graphql-ws"
KINDS = [("gql", NEWER), ("gql", OLDER), ("node", NEWER), ("node", OLDER)]
EACH = pytest.mark.parametrize("kind", KINDS, ids="-".join)

COUNTDOWN = "subscription ($start: Int!) { countdown(start: $start) }"
MESSAGES = "subscription ($room: String!) { messages(room: $room) { name text } }"
SAY = """mutation ($room: String!, $text: String!) { say(room: $room, name: "Ada", text: $text) }"""
LISTENERS = "query ($room: String!) { listeners(room: $room) }"
INIT = '{"type": "connection_init"}'


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("strawberry")
    with serving_app(app_of("strawberry_chat"), OURS, folder) as server:
        yield server


@pytest.fixture
def served(shared_server: Served) -> Iterator[Served]:
    yield shared_server
    assert "Traceback" not in shared_server.read_log()


async def enter(clients: Clients, port: int, kind: tuple[str, str]) -> Client:
    """A client whose connection is initialised."""
    made = await clients.start(port, *kind)
    await made.do("open")
    await made.happens("opened")
    return made


async def ask(served: Served, query: str, **variables: Any) -> Any:
    """The answer to a query or a mutation, by HTTP."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    head = [
        *("POST / HTTP/1.1", "Host: a", "Connection: close", "Content-Type: application/json"),
        f"Content-Length: {len(body)}\r\n\r\n",
    ]
    writer.write("\r\n".join(head).encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])["data"]


async def listened_to(served: Served, room: str, listeners: int) -> None:
    while (await ask(served, LISTENERS, room=room))["listeners"] != listeners:
        await asyncio.sleep(0.01)


@EACH
def test_subscribe_publish_and_complete(
    run: Run, node: Node, served: Served, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("graphql", node) as clients:
            ann = await enter(clients, served.server.port, kind)
            await ann.do("subscribe", "one", MESSAGES, {"room": "one"})
            await ann.do("subscribe", "two", MESSAGES, {"room": "two"})
            await listened_to(served, "one", 1)
            await listened_to(served, "two", 1)
            for room in ("one", "two"):
                assert await ask(served, SAY, room=room, text="Grüße 👋") == {"say": 1}
                said = await ann.happens(room)
                assert said["messages"] == {"name": "Ada", "text": "Grüße 👋"}
            # The client completes one; the other goes on.
            await ann.do("unsubscribe", "one")
            await listened_to(served, "one", 0)
            assert await ask(served, SAY, room="two", text="still") == {"say": 1}
            assert (await ann.happens("two"))["messages"]["text"] == "still"
            # The server completes one.
            await ann.do("subscribe", "count", COUNTDOWN, {"start": 3})
            counted = [(await ann.happens("count"))["countdown"] for _ in range(4)]
            assert counted == [3, 2, 1, 0]
            await ann.happens("count complete")
            assert not ann.has_happened("one")
            await ann.do("close")
            await listened_to(served, "two", 0)

    run(main())


@EACH
def test_a_mutation_over_websocket(
    run: Run, node: Node, served: Served, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("graphql", node) as clients:
            ann = await enter(clients, served.server.port, kind)
            bob = await enter(clients, served.server.port, ("node", NEWER))
            await ann.do("subscribe", "heard", MESSAGES, {"room": kind[0] + kind[1]})
            await listened_to(served, kind[0] + kind[1], 1)
            await bob.do("subscribe", "said", SAY, {"room": kind[0] + kind[1], "text": "hi"})
            assert await bob.happens("said") == {"say": 1}
            await bob.happens("said complete")
            assert (await ann.happens("heard"))["messages"] == {"name": "Ada", "text": "hi"}

    run(main())


@EACH
def test_a_lost_connection(run: Run, node: Node, served: Served, kind: tuple[str, str]) -> None:
    """The server forgets the subscription; the client comes back, and subscribes again."""

    async def main() -> None:
        async with gate_to(served.server.port) as gate, Clients("graphql", node) as clients:
            ann = await enter(clients, gate.port, kind)
            await ann.do("subscribe", "heard", MESSAGES, {"room": "lost"})
            await listened_to(served, "lost", 1)
            gate.target = 1  # nobody listens there
            await gate.stop()  # the link is cut, without a Close
            await ann.happens("closed")
            await listened_to(served, "lost", 0)
            gate.target = served.server.port
            await ann.happens("opened")
            await listened_to(served, "lost", 1)
            assert await ask(served, SAY, room="lost", text="back") == {"say": 1}
            assert (await ann.happens("heard"))["messages"]["text"] == "back"

    run(main())


@EACH
def test_an_error_leaves_the_connection_open(
    run: Run, node: Node, served: Served, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("graphql", node) as clients:
            ann = await enter(clients, served.server.port, kind)
            await ann.do("subscribe", "wrong", "subscription { nothing }", {})
            [why] = await ann.happens("wrong failed")
            assert "nothing" in why
            await ann.do("subscribe", "count", COUNTDOWN, {"start": 0})
            assert await ann.happens("count") == {"countdown": 0}
            await ann.happens("count complete")

    run(main())


def test_a_subscriber_that_does_not_read(run: Run, served: Served) -> None:
    """What waits for it is bounded: it misses the oldest."""

    async def main() -> None:
        options: Any = {"compression": None, "max_queue": 1}
        async with served.connect(subprotocols=[NEWER], **options) as ws:
            await ws.send(INIT)
            assert json.loads(await ws.recv())["type"] == "connection_ack"
            subscription = {"query": MESSAGES, "variables": {"room": "slow"}}
            await ws.send(json.dumps({"type": "subscribe", "id": "1", "payload": subscription}))
            await listened_to(served, "slow", 1)
            ws.transport.pause_reading()
            for number in range(300):
                text = f"{number} ".ljust(300_000, "x")
                assert await ask(served, SAY, room="slow", text=text) == {"say": 1}
            ws.transport.resume_reading()
            heard: list[int] = []
            while not heard or heard[-1] < 299:
                message = json.loads(await ws.recv())["payload"]["data"]["messages"]
                heard.append(int(message["text"].split()[0]))
            assert heard == sorted(heard)
            assert len(heard) < 300

    run(main())


# What graphql-transport-ws promises of close codes


def test_who_never_initialises_is_closed(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect(subprotocols=[NEWER]) as ws:
            assert await closed(ws) == (4408, "Connection initialisation timeout")

    run(main())


def test_who_initialises_in_time_stays(run: Run, served: Served) -> None:
    async def main() -> None:
        connect = partial(served.connect, subprotocols=[NEWER])
        async with connect() as ws, connect() as late:  # whose time begins no earlier than ours
            await ws.send(INIT)
            assert json.loads(await ws.recv()) == {"type": "connection_ack"}
            assert (await closed(late))[0] == 4408
            await ws.send('{"type": "ping"}')
            assert json.loads(await ws.recv())["type"] == "pong"

    run(main())


SUBSCRIBE = json.dumps(
    {
        "type": "subscribe",
        "id": "1",
        "payload": {"query": MESSAGES, "variables": {"room": "codes"}},
    }
)
CODES = [
    ([SUBSCRIBE], 4401),
    ([INIT, INIT], 4429),
    ([INIT, SUBSCRIBE, SUBSCRIBE], 4409),
    (["no JSON"], 4400),
    (['{"type": "unheard-of"}'], 4400),
]


@pytest.mark.parametrize(("messages", "code"), CODES)
def test_close_codes(run: Run, served: Served, messages: list[str], code: int) -> None:
    async def main() -> None:
        async with served.connect(subprotocols=[NEWER]) as ws:
            for message in messages:
                with suppress(ConnectionClosed):
                    await ws.send(message)
            assert (await closed(ws))[0] == code
        await listened_to(served, "codes", 0)

    run(main())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([OLDER, NEWER], OLDER), ([NEWER, OLDER], NEWER), (["x", NEWER], NEWER)],
)
def test_the_client_prefers_a_protocol(
    run: Run, served: Served, offered: list[str], chosen: str
) -> None:
    async def main() -> None:
        async with served.connect(subprotocols=offered) as ws:
            assert ws.subprotocol == chosen
            await ws.send(INIT)
            assert json.loads(await ws.recv())["type"] == "connection_ack"

    run(main())
