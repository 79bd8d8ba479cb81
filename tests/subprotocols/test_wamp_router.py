"""The router of the examples, message by message, by a WebSocket client of another library."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.wamp_peer import (
    CALL,
    ERROR,
    EVENT,
    GOODBYE,
    INVOCATION,
    PUBLISH,
    PUBLISHED,
    REGISTER,
    REGISTERED,
    RESULT,
    SUBSCRIBE,
    SUBSCRIBED,
    UNREGISTER,
    UNREGISTERED,
    UNSUBSCRIBE,
    UNSUBSCRIBED,
    VIOLATION,
    WIRES,
    YIELD,
    opened,
    running,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from examples import wamp_router

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.asgi_servers import AsgiServer

    Run = Callable[[Any], Any]

BOTH = pytest.mark.parametrize("wire", WIRES)


@pytest.mark.parametrize("offered", [None, ["wamp.2.cbor"], ["mqtt"]])
def test_no_subprotocol_that_it_speaks(run: Run, router: AsgiServer, offered: Any) -> None:
    async def main() -> None:
        uri = f"ws://127.0.0.1:{router.port}/"
        with pytest.raises(InvalidStatus) as refused:
            await connect(uri, subprotocols=offered, proxy=None)
        assert refused.value.response.status_code == 400

    run(main())


@BOTH
def test_a_session(run: Run, router: AsgiServer, wire: str) -> None:
    async def main() -> None:
        async with opened(router, wire) as peer:
            await peer.enter()
            code, request, subscription = await peer.ask(SUBSCRIBE, 1, {}, "com.session")
            assert (code, request) == (SUBSCRIBED, 1)
            assert await peer.ask(SUBSCRIBE, 2, {}, "com.session") == [SUBSCRIBED, 2, subscription]
            to_all = {"exclude_me": False, "acknowledge": True}
            event = await peer.ask(PUBLISH, 3, to_all, "com.session", [1], {"a": 2})
            assert event[:2] == [EVENT, subscription]
            assert event[3:] == [{}, [1], {"a": 2}]
            assert await peer.recv() == [PUBLISHED, 3, event[2]]
            assert await peer.ask(UNSUBSCRIBE, 4, subscription) == [UNSUBSCRIBED, 4]
            assert await peer.ask(UNSUBSCRIBE, 5, subscription) == [
                *(ERROR, UNSUBSCRIBE, 5, {}, "wamp.error.no_such_subscription")
            ]
            # The payload is passed on as it is: here, there is none.
            code, request, registration = await peer.ask(REGISTER, 6, {}, "com.session")
            assert (code, request) == (REGISTERED, 6)
            assert await peer.ask(CALL, 7, {}, "com.session") == [INVOCATION, 1, registration, {}]
            assert await peer.ask(YIELD, 1, {}) == [RESULT, 7, {}]
            assert (await peer.ask(CALL, 8, {}, "com.session", [1]))[1] == 2
            assert await peer.ask(ERROR, INVOCATION, 2, {}, "com.bad", [], {"a": 1}) == [
                *(ERROR, CALL, 8, {}, "com.bad", [], {"a": 1})
            ]
            assert await peer.ask(UNREGISTER, 9, registration) == [UNREGISTERED, 9]
            assert await peer.ask(UNREGISTER, 10, registration) == [
                *(ERROR, UNREGISTER, 10, {}, "wamp.error.no_such_registration")
            ]
            assert await peer.ask(GOODBYE, {}, "wamp.close.close_realm") == [
                *(GOODBYE, {}, "wamp.close.goodbye_and_out")
            ]
            assert await peer.ended() in (1000, 1005)

    run(main())


INVALID = ["", "a b", "a..b", ".a", "a.", "a#", "a\n", "x" * 1001, "com." * 1000 + "x"]


@BOTH
@pytest.mark.parametrize("code", [SUBSCRIBE, PUBLISH, REGISTER, CALL])
def test_an_invalid_uri_is_refused(run: Run, router: AsgiServer, wire: str, code: int) -> None:
    """With an answer, unless the client wants none; the session goes on."""

    async def main() -> None:
        async with opened(router, wire) as peer:
            await peer.enter()
            for request, uri in enumerate(INVALID, 1):
                answer = [ERROR, code, request, {}, "wamp.error.invalid_uri"]
                assert await peer.ask(code, request, {"acknowledge": True}, uri) == answer
            await peer.send(PUBLISH, len(INVALID) + 1, {}, "a b")
            longest = await peer.ask(SUBSCRIBE, len(INVALID) + 2, {}, "x" * 1000)
            assert longest[:2] == [SUBSCRIBED, len(INVALID) + 2]

    run(main())


def test_a_subscriber_leaves_and_the_others_stay(run: Run, router: AsgiServer) -> None:
    async def main() -> None:
        async with opened(router, WIRES[0]) as ann, opened(router, WIRES[0]) as bob:
            for peer in (ann, bob):
                await peer.enter()
                _, _, subscription = await peer.ask(SUBSCRIBE, 1, {}, "com.stay")
            assert await ann.ask(UNSUBSCRIBE, 2, subscription) == [UNSUBSCRIBED, 2]
            await ann.send(PUBLISH, 3, {}, "com.stay", ["still"])
            assert (await bob.recv())[4:] == [["still"]]
            await bob.send(PUBLISH, 2, {}, "com.stay", ["not for Ann"])
            assert (await ann.ask(SUBSCRIBE, 4, {}, "com.stay")) == [SUBSCRIBED, 4, subscription]

    run(main())


def test_reserved_names_and_other_realms(run: Run, router: AsgiServer) -> None:
    async def main() -> None:
        async with opened(router, WIRES[0]) as one, opened(router, WIRES[0]) as other:
            await one.enter("realm1")
            await other.enter("realm2")
            invalid = "wamp.error.invalid_uri"
            assert (await one.ask(REGISTER, 1, {}, "wamp.mine"))[-1] == invalid
            acknowledge = {"acknowledge": True}
            assert (await one.ask(PUBLISH, 2, acknowledge, "wamp.mine"))[-1] == invalid
            await one.ask(SUBSCRIBE, 3, {}, "com.both")
            await one.ask(REGISTER, 4, {}, "com.both")
            assert (await other.ask(CALL, 1, {}, "com.both"))[-1] == "wamp.error.no_such_procedure"
            assert (await other.ask(PUBLISH, 2, acknowledge, "com.both"))[0] == PUBLISHED
            # Nothing has come from there.
            assert (await one.ask(PUBLISH, 5, acknowledge, "com.both"))[:2] == [PUBLISHED, 5]

    run(main())


def test_bytes_are_bytes_in_both_serialisations(run: Run, router: AsgiServer) -> None:
    async def main() -> None:
        async with opened(router, WIRES[0]) as text, opened(router, WIRES[1]) as binary:
            for peer in (text, binary):
                await peer.enter()
                await peer.ask(SUBSCRIBE, 1, {}, "com.bytes")
            values = [b"\x00\xff", {"deep": [b""]}, "plain"]
            written = ["\0AP8=", {"deep": ["\0"]}, "plain"]
            await binary.send(PUBLISH, 2, {}, "com.bytes", values)
            assert (await text.recv())[4:] == [written]
            await text.send(PUBLISH, 2, {}, "com.bytes", written)
            assert (await binary.recv())[4:] == [values]

    run(main())


def test_an_answer_for_somebody_who_has_left(run: Run) -> None:
    async def main() -> None:
        async with running() as port, opened(port, WIRES[0]) as callee:
            await callee.enter()
            await callee.ask(REGISTER, 1, {}, "com.late")
            async with opened(port, WIRES[1]) as caller:
                await caller.enter()
                await caller.send(CALL, 1, {}, "com.late")
                assert (await callee.recv())[:2] == [INVOCATION, 1]
            while len(wamp_router.sessions) > 1:
                await asyncio.sleep(0.01)
            assert [session.pending for session in wamp_router.sessions] == [{}]
            await callee.send(YIELD, 1, {}, ["late"])
            await callee.send(CALL, 2, {}, "com.late")
            assert (await callee.recv())[:2] == [INVOCATION, 2]

    run(main())


def test_only_the_callee_answers_and_only_once(run: Run, router: AsgiServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            callee, caller, eve = [
                await (await stack.enter_async_context(opened(router, WIRES[0]))).enter()
                for _ in range(3)
            ]
            await callee.ask(REGISTER, 1, {}, "com.once")
            await caller.send(CALL, 1, {}, "com.once")
            assert (await callee.recv())[:2] == [INVOCATION, 1]
            assert (await eve.ask(YIELD, 1, {}, ["forged"]))[2] == VIOLATION
            for text in ("right", "again"):
                await callee.send(YIELD, 1, {}, [text])
            await callee.send(ERROR, INVOCATION, 1, {}, "com.again")
            assert await caller.recv() == [RESULT, 1, {}, ["right"]]
            # What was answered a second time has reached nobody, and is no fault of the callee: it
            # does not know when its caller leaves.
            await caller.send(CALL, 2, {}, "com.once")
            assert (await callee.recv())[:2] == [INVOCATION, 2]
            await callee.send(YIELD, 2, {})
            assert await caller.recv() == [RESULT, 2, {}]

    run(main())


def test_invocations_are_numbered_without_a_gap(run: Run, router: AsgiServer) -> None:
    """Also when a call could not be written for the callee: clients may check that."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as callee, opened(router, WIRES[1]) as bad:
            for peer in (callee, bad):
                await peer.enter()
            await callee.ask(REGISTER, 1, {}, "com.row")
            assert (await bad.ask(CALL, 1, {}, "com.row", [float("nan")]))[2] == VIOLATION
            await callee.send(CALL, 2, {}, "com.row")
            assert (await callee.recv())[:2] == [INVOCATION, 1]

    run(main())


def test_an_event_is_encoded_once_for_each_serialisation(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []

    def counting(wire: str, message: tuple[Any, ...]) -> Any:
        if message[0] == EVENT:
            encoded.append(wire)
        return dump(wire, message)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(running())
            peers = [
                await stack.enter_async_context(opened(port, WIRES[number % 2]))
                for number in range(10)
            ]
            for peer in peers:
                await peer.enter()
                await peer.ask(SUBSCRIBE, 1, {}, "com.once")
            await peers[0].send(PUBLISH, 2, {"exclude_me": False}, "com.once", ["hello"])
            for peer in peers:
                assert (await peer.recv())[4:] == [["hello"]]
            await peers[0].send(PUBLISH, 3, {"exclude_me": False}, "com.nobody", ["hello"])
            # One serialisation, if nobody needs the other.
            await peers[0].ask(SUBSCRIBE, 4, {}, "com.json")
            await peers[1].send(PUBLISH, 5, {}, "com.json", ["hello"])
            assert (await peers[0].recv())[4:] == [["hello"]]
        assert sorted(encoded) == [WIRES[0], *WIRES]

    dump = wamp_router.dump
    monkeypatch.setattr(wamp_router, "dump", counting)
    run(main())
