"""``python wamp_client.py URI json|msgpack``: a client of autobahn that does as it is told.

It is told the same as ``node/wamp.mjs``, and tells the same; see obeying.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from autobahn.asyncio.component import Component
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallResult, CloseDetails, PublishOptions
from obeying import tell

URI, FORMAT = sys.argv[1:]


def fail() -> None:
    raise ApplicationError("com.example.failed", "why", code=7)


async def hang() -> None:
    await asyncio.Event().wait()


PROCEDURES: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "named": lambda *args, **named: CallResult(*args, **named),
    "fail": fail,
    "hang": hang,
}


class Client:
    """One component, and its session of now."""

    def __init__(self) -> None:
        self.session: Any = None
        self.component: Any = None
        self.subscriptions: dict[str, Any] = {}
        self.registrations: dict[str, Any] = {}

    async def open(self, realm: str) -> bool:
        """Enter *realm*, and come back whenever the connection is lost; whether that worked."""
        entered = asyncio.get_running_loop().create_future()
        transport = {"type": "websocket", "url": URI, "serializers": [FORMAT], "max_retries": -1,
                     "initial_retry_delay": 0.05, "max_retry_delay": 0.2}  # fmt: skip
        self.component = Component(transports=[transport], realm=realm, is_fatal=self.is_fatal)

        @self.component.on_join  # type: ignore[untyped-decorator]
        def joined(session: Any, details: Any) -> None:
            self.session = session
            tell(0, "opened", True)
            if not entered.done():
                entered.set_result(True)

        @self.component.on_leave  # type: ignore[untyped-decorator]
        def left(session: Any, details: CloseDetails) -> None:
            tell(0, "closed", details.reason)
            if not entered.done():
                entered.set_result(False)

        self.done = self.component.start(loop=asyncio.get_running_loop())
        return bool(await entered)

    def is_fatal(self, error: Exception) -> bool:
        return "no_such_realm" in str(error)

    async def subscribe(self, topic: str) -> None:
        def heard(*args: Any, **named: Any) -> None:
            tell(0, "event", [topic, args, named])

        self.subscriptions[topic] = await self.session.subscribe(heard, topic)

    async def unsubscribe(self, topic: str) -> None:
        await self.subscriptions[topic].unsubscribe()

    async def publish(self, topic: str, args: Any, named: Any, options: Any) -> bool | None:
        given = PublishOptions(**options)
        done = self.session.publish(topic, *args, options=given, **named)
        return None if done is None else (await done).id > 0

    async def register(self, uri: str, name: str) -> None:
        self.registrations[uri] = await self.session.register(PROCEDURES[name], uri)

    async def unregister(self, uri: str) -> None:
        await self.registrations[uri].unregister()

    async def call(self, uri: str, args: Any, named: Any) -> Any:
        result = await self.session.call(uri, *args, **named)
        if isinstance(result, CallResult):
            return [result.results, result.kwresults]
        return result

    async def close(self) -> None:
        await self.component.stop()

    async def act(self, number: int, what: str, args: list[Any]) -> None:
        try:
            tell(number, "done", await getattr(self, what)(*args))
        except ApplicationError as error:
            tell(number, "failed", [error.error, error.args, error.kwargs])
        except Exception as error:
            tell(number, "failed", [repr(error), [], {}])


async def main() -> None:
    client, loop = Client(), asyncio.get_running_loop()
    acting: set[asyncio.Task[None]] = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.ensure_future(client.act(*json.loads(line)))
        acting.add(task)
        task.add_done_callback(acting.discard)


asyncio.run(main())
