"""Strawberry: subscriptions over both of GraphQL's protocols, by the client of gql."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import app_of, closed
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served
    from gql.client import AsyncClientSession

    Run = Callable[[Any], Any]

APP = app_of("strawberry_chat")
TRANSPORT = "graphql-transport-ws"
PROTOCOLS = [TRANSPORT, "graphql-ws"]
BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)

COUNTDOWN = "subscription ($start: Int!) { countdown(start: $start) }"
MESSAGES = "subscription ($room: String!) { messages(room: $room) { name text } }"
LISTENERS = "query ($room: String!) { listeners(room: $room) }"
SAY = """mutation ($room: String!, $text: String!) { say(room: $room, name: "Ada", text: $text) }"""


def client(served: Served, protocol: str = TRANSPORT) -> Client:
    """One that offers this protocol only. The older one knows nothing but subscriptions."""
    transport = WebsocketsTransport(
        f"ws://{served.host}/",
        subprotocols=[protocol],
        connect_args={"proxy": None, "max_size": None},
    )
    return Client(transport=transport)


def request(document: str, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


async def listened_to(session: AsyncClientSession, room: str, listeners: int) -> None:
    """Wait until as many subscribe to the room."""
    while (await session.execute(request(LISTENERS, room=room)))["listeners"] != listeners:
        await asyncio.sleep(0.01)


@BOTH
def test_a_subscription_that_ends(run: Run, served: Served, protocol: str) -> None:
    async def main() -> None:
        async with client(served, protocol) as session:
            counted = [x["countdown"] async for x in session.subscribe(request(COUNTDOWN, start=5))]
        assert counted == [5, 4, 3, 2, 1, 0]

    run(main())


@BOTH
def test_two_subscriptions_on_one_connection(run: Run, served: Served, protocol: str) -> None:
    """One ends, and the other goes on."""

    async def main() -> None:
        async with client(served, protocol) as session, client(served) as desk:
            one = session.subscribe(request(MESSAGES, room="one"))
            heard_one = asyncio.ensure_future(anext(one))
            other = session.subscribe(request(MESSAGES, room="other"))
            heard_other = asyncio.ensure_future(anext(other))
            await listened_to(desk, "one", 1)
            await listened_to(desk, "other", 1)
            assert await desk.execute(request(SAY, room="one", text="Grüße 👋")) == {"say": 1}
            assert (await heard_one)["messages"] == {"name": "Ada", "text": "Grüße 👋"}
            await one.aclose()
            await listened_to(desk, "one", 0)
            assert await desk.execute(request(SAY, room="other", text="still")) == {"say": 1}
            assert (await heard_other)["messages"] == {"name": "Ada", "text": "still"}
            await other.aclose()
            await listened_to(desk, "other", 0)

    run(main())


@BOTH
def test_a_big_message(run: Run, served: Served, protocol: str) -> None:
    async def main() -> None:
        async with client(served, protocol) as session, client(served) as desk:
            messages = session.subscribe(request(MESSAGES, room="big"))
            heard = asyncio.ensure_future(anext(messages))
            await listened_to(desk, "big", 1)
            await desk.execute(request(SAY, room="big", text="ä" * 200_000))
            assert (await heard)["messages"]["text"] == "ä" * 200_000
            await messages.aclose()
            await listened_to(desk, "big", 0)

    run(main())


@BOTH
def test_an_error_of_a_subscription(run: Run, served: Served, protocol: str) -> None:
    async def main() -> None:
        async with client(served, protocol) as session:
            with pytest.raises(TransportQueryError, match="less than nothing"):
                await anext(session.subscribe(request(COUNTDOWN, start=-1)))
            # The connection goes on.
            counted = [x["countdown"] async for x in session.subscribe(request(COUNTDOWN, start=1))]
            assert counted == [1, 0]
        await served.logged("ValueError: cannot count down from less than nothing")

    run(main())


@pytest.mark.parametrize(("protocol", "code"), [(TRANSPORT, 4401), ("something-else", 4406)])
def test_a_rejected_connection(run: Run, served: Served, protocol: str, code: int) -> None:
    """GraphQL's protocols reject with close codes of their own."""

    async def main() -> None:
        async with served.connect(subprotocols=[protocol]) as ws:
            with suppress(ConnectionClosed):  # it may have been rejected already
                await ws.send('{"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}}')
            assert (await closed(ws))[0] == code

    run(main())


def test_fifty_subscribers_of_whom_some_vanish(run: Run, served: Served) -> None:
    """Their subscriptions end on the server."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            desk = await stack.enter_async_context(client(served))
            clients = [client(served, PROTOCOLS[number % 2]) for number in range(50)]
            sessions = [await stack.enter_async_context(each) for each in clients]
            subscribing = request(MESSAGES, room="many")
            subscriptions = [session.subscribe(subscribing) for session in sessions]
            hearing = [asyncio.ensure_future(anext(messages)) for messages in subscriptions]
            await listened_to(desk, "many", 50)
            for each in clients[30:]:
                each.transport.adapter.websocket.transport.abort()
            await listened_to(desk, "many", 30)
            assert await desk.execute(request(SAY, room="many", text="hello")) == {"say": 30}
            for heard in await asyncio.gather(*hearing[:30]):
                assert heard["messages"] == {"name": "Ada", "text": "hello"}
            await asyncio.gather(*(messages.aclose() for messages in subscriptions[:30]))
            await listened_to(desk, "many", 0)
            lost = await asyncio.gather(*hearing[30:], return_exceptions=True)
            assert {type(error) for error in lost} == {TransportConnectionFailed}

    run(main())
