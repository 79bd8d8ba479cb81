"""``python graphql_client.py URI graphql-transport-ws|graphql-ws``: a client of gql, which obeys.

It is told the same as ``node/graphql.mjs``, and tells the same; see obeying.py. gql leaves it to
its user to connect and to subscribe again; this client does so when a subscription has failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from gql import Client as GqlClient
from gql import GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from obeying import tell
from websockets.exceptions import WebSocketException

URI, PROTOCOL = sys.argv[1:]


class Client:
    """One session, and its subscriptions."""

    def __init__(self) -> None:
        self.client: Any = None
        self.session: Any = None
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Connect, again and again until there is somebody."""
        options: Any = {"subprotocols": [PROTOCOL], "connect_args": {"proxy": None}}
        while True:
            self.client = GqlClient(transport=WebsocketsTransport(URI, **options))
            try:
                self.session = await self.client.connect_async()
            except (TransportError, OSError, WebSocketException):
                await asyncio.sleep(0.05)
            else:
                return tell(0, "opened", True)

    async def subscribe(self, name: str, query: str, variables: Any) -> None:
        self.tasks[name] = asyncio.ensure_future(
            self.follow(name, GraphQLRequest(query, variable_values=variables))
        )

    async def follow(self, name: str, request: GraphQLRequest) -> None:
        while True:
            try:
                async for data in self.session.subscribe(request):
                    tell(0, name, data)
                return tell(0, f"{name} complete", None)
            except TransportQueryError as error:
                return tell(0, f"{name} failed", [each["message"] for each in error.errors or ()])
            except TransportError as error:
                tell(0, "closed", repr(error))
                await self.client.close_async()
                await self.open()

    async def unsubscribe(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)

    async def close(self) -> None:
        await self.client.close_async()


async def main() -> None:
    client, loop = Client(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        number, what, args = json.loads(line)
        try:
            tell(number, "done", await getattr(client, what)(*args))
        except Exception as error:
            tell(number, "failed", [repr(error)])


asyncio.run(main())
