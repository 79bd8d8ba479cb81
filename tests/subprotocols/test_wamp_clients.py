"""The router of the examples, by the clients of autobahn: Python's and Node's, both formats."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.clients import Clients, Failed
from subprotocols.serving import serving
from support.gate import gate_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from subprotocols.clients import Client
    from support.asgi_servers import AsgiServer
    from support.node import Node

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.timeout(180)  # npm may have to install the packages first

KINDS = [("python", "json"), ("python", "msgpack"), ("node", "json"), ("node", "msgpack")]
EACH = pytest.mark.parametrize("kind", KINDS, ids="-".join)
# Neither the library nor the format of the other one.
OTHER = dict(zip(KINDS, reversed(KINDS), strict=True))


async def enter(clients: Clients, port: int, kind: tuple[str, str]) -> Client:
    """A client that is in a session."""
    made = await clients.start(port, *kind)
    assert await made.do("open", "realm1") is True
    assert await made.happens("opened") is True
    return made


@EACH
def test_publish_and_subscribe(
    run: Run, node: Node, router: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("wamp", node) as clients:
            ann, bob, eve = [
                await enter(clients, router.port, each) for each in (kind, OTHER[kind], kind)
            ]
            for each in (ann, bob, eve):
                await each.do("subscribe", "com.example.news")
            named = {"n": 2**40, "text": "Grüße 👋", "list": [1.5, None, True, {"a": []}]}
            acknowledged = await ann.do(
                "publish", "com.example.news", ["one", -1], named, {"acknowledge": True}
            )
            assert acknowledged is True
            for each in (bob, eve):
                assert await each.happens("event") == ["com.example.news", ["one", -1], named]
            # Everybody but the publisher, unless it says so; events come in order.
            await ann.do("publish", "com.example.news", ["two"], {}, {"exclude_me": False})
            for each in (ann, bob, eve):
                assert await each.happens("event") == ["com.example.news", ["two"], {}]
            await eve.do("unsubscribe", "com.example.news")
            await bob.do("publish", "com.example.news", ["three"], {}, {"acknowledge": True})
            assert await ann.happens("event") == ["com.example.news", ["three"], {}]
            # Each asks for something, so that what was sent to it before has come.
            for each in (bob, eve):
                await each.do("subscribe", "com.example.other")
                assert not each.has_happened("event")

    run(main())


@EACH
def test_register_and_call(run: Run, node: Node, router: AsgiServer, kind: tuple[str, str]) -> None:
    async def main() -> None:
        async with Clients("wamp", node) as clients:
            callee = await enter(clients, router.port, kind)
            caller = await enter(clients, router.port, OTHER[kind])
            for name in ("add", "named", "fail"):
                await callee.do("register", f"com.example.{name}", name)
            assert await caller.do("call", "com.example.add", [2, 40], {}) == 42
            result = await caller.do("call", "com.example.named", ["ä"], {"b": [None, 0.5]})
            assert result == [["ä"], {"b": [None, 0.5]}]
            with pytest.raises(Failed) as failed:
                await caller.do("call", "com.example.fail", [], {})
            assert failed.value.args == ("com.example.failed", ["why"], {"code": 7})
            # Many at once, and by its own callee, too.
            calls = [
                (each, number, each.start("call", "com.example.add", [number, number], {}))
                for number in range(50)
                for each in (caller, callee)
            ]
            for _, number, answer in calls:
                assert await answer == 2 * number
            with pytest.raises(Failed, match="procedure_already_exists"):
                await caller.do("register", "com.example.add", "add")
            await callee.do("unregister", "com.example.add")
            with pytest.raises(Failed, match="no_such_procedure"):
                await caller.do("call", "com.example.add", [1, 1], {})
            await caller.do("register", "com.example.add", "add")
            assert await callee.do("call", "com.example.add", [1, 2], {}) == 3

    run(main())


@EACH
def test_an_unknown_realm_is_an_abort(
    run: Run, node: Node, router: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with Clients("wamp", node) as clients:
            lost = await clients.start(router.port, *kind)
            assert await lost.do("open", "nowhere") is False
            assert await lost.happens("closed") == "wamp.error.no_such_realm"

    run(main())


@EACH
def test_goodbye(run: Run, node: Node, router: AsgiServer, kind: tuple[str, str]) -> None:
    """Both sides say it; what the client had registered is free again."""

    async def main() -> None:
        async with Clients("wamp", node) as clients:
            first = await enter(clients, router.port, kind)
            await first.do("register", "com.example.bye", "add")
            await first.do("close")
            assert await first.happens("closed") in (
                "wamp.close.normal",
                "wamp.close.goodbye_and_out",
            )
            second = await enter(clients, router.port, OTHER[kind])
            await second.do("register", "com.example.bye", "add")

    run(main())


@EACH
def test_a_callee_is_lost_and_comes_back(
    run: Run, node: Node, router: AsgiServer, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        async with gate_to(router.port) as gate, Clients("wamp", node) as clients:
            callee = await enter(clients, gate.port, kind)
            caller = await enter(clients, router.port, OTHER[kind])
            await callee.do("register", "com.example.hang", "hang")
            await callee.do("subscribe", "com.example.cut")
            call = caller.start("call", "com.example.hang", [], {})
            # An event that follows the invocation: the callee has both.
            await caller.do("publish", "com.example.cut", [1], {}, {"acknowledge": True})
            await callee.happens("event")
            await gate.stop()  # the link is cut, without a Close
            with pytest.raises(Failed, match="canceled"):
                await call
            with pytest.raises(Failed, match="no_such_procedure"):
                await caller.do("call", "com.example.hang", [], {})
            await callee.happens("opened")  # it has come back by itself, to a new session
            await callee.do("register", "com.example.hang", "add")
            await callee.do("subscribe", "com.example.cut")
            assert await caller.do("call", "com.example.hang", [20, 1], {}) == 21
            await caller.do("publish", "com.example.cut", [2], {}, {"acknowledge": True})
            assert await callee.happens("event") == ["com.example.cut", [2], {}]

    run(main())


@EACH
def test_a_router_that_stops_says_so(
    run: Run, node: Node, tmp_path: Path, kind: tuple[str, str]
) -> None:
    async def main() -> None:
        with serving("wamp_router", tmp_path) as server:
            async with Clients("wamp", node) as clients:
                staying = await enter(clients, server.port, kind)
                assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
                assert await staying.happens("closed") == "wamp.close.system_shutdown"

    run(main())
