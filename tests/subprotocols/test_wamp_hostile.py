"""The router of the examples under clients that want too much, or break the rules."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from subprotocols.wamp_peer import (
    ABORT,
    CALL,
    ERROR,
    EVENT,
    GOODBYE,
    HELLO,
    INVOCATION,
    PUBLISH,
    PUBLISHED,
    REGISTER,
    REGISTERED,
    RESULT,
    ROLES,
    SUBSCRIBE,
    SUBSCRIBED,
    UNREGISTER,
    UNSUBSCRIBE,
    VIOLATION,
    WELCOME,
    WIRES,
    YIELD,
    Peer,
    opened,
    running,
)
from websockets.exceptions import ConnectionClosed

from examples import wamp_router

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.asgi_servers import AsgiServer

    Run = Callable[[Any], Any]

BOTH = pytest.mark.parametrize("wire", WIRES)
# Characters for which JSON needs six bytes.
CONTROLS = bytes(1 + byte % 8 for byte in range(256))


def test_limits(run: Run, router: AsgiServer) -> None:
    """What a client may leave with the router does not grow without end."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as greedy:
            await greedy.enter()
            for code, last in ((SUBSCRIBE, SUBSCRIBED), (REGISTER, REGISTERED)):
                for number in range(1, 1001):
                    await greedy.send(code, number, {}, f"com.many.{number}")
                for number in range(1, 1001):
                    assert (await greedy.recv())[:2] == [last, number]
                answer = await greedy.ask(code, 1001, {}, "com.many.1001")
                assert answer == [ERROR, code, 1001, {}, "wamp.error.unavailable"]
            for number in range(1, 1001):
                await greedy.send(CALL, number, {}, "com.many.1")
                assert (await greedy.recv())[:2] == [INVOCATION, number]
            answer = await greedy.ask(CALL, 1001, {}, "com.many.1")
            assert answer == [ERROR, CALL, 1001, {}, "wamp.error.unavailable"]
            # What it has it may ask for again.
            assert (await greedy.ask(SUBSCRIBE, 1002, {}, "com.many.1"))[0] == SUBSCRIBED
            await greedy.send(YIELD, 1, {})
            assert await greedy.recv() == [RESULT, 1, {}]
            assert (await greedy.ask(CALL, 1003, {}, "com.many.1"))[:2] == [INVOCATION, 1001]

    run(main())


def test_no_caller_uses_up_a_callee(run: Run, router: AsgiServer) -> None:
    """Its calls count for itself, and are forgotten with it."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as callee, opened(router, WIRES[0]) as caller:
            for peer in (callee, caller):
                await peer.enter()
            await callee.ask(REGISTER, 1, {}, "com.used")
            for turn in range(2):
                async with opened(router, WIRES[1]) as greedy:
                    await greedy.enter()
                    for number in range(1, 1002):
                        await greedy.send(CALL, number, {}, "com.used")
                    assert await greedy.recv() == [
                        *(ERROR, CALL, 1001, {}, "wamp.error.unavailable")
                    ]
                    for _ in range(1000):
                        assert (await callee.recv())[0] == INVOCATION
                    await caller.send(CALL, 1 + turn, {}, "com.used")
                    assert (await callee.recv())[1] == 1001 * (turn + 1)
            for turn in range(2):
                await callee.send(YIELD, 1001 * (turn + 1), {})
                assert await caller.recv() == [RESULT, 1 + turn, {}]

    run(main())


async def yield_to_all(callee: Peer) -> None:
    while True:
        await callee.send(YIELD, (await callee.recv())[1], {})


@BOTH
def test_a_callee_is_given_no_more_calls_than_it_reads(
    run: Run, router: AsgiServer, wire: str
) -> None:
    """Callers are told, and the callee does not lose its connection for what they send."""

    async def main() -> None:
        async with opened(router, wire) as callee, opened(router, WIRES[1]) as caller:
            for peer in (callee, caller):
                await peer.enter()
            await callee.ask(REGISTER, 1, {}, "com.flooded")
            callee.ws.transport.pause_reading()
            # Each needs six bytes for one in JSON.
            payload = [os.urandom(500_000).translate(CONTROLS).decode()]
            for number in range(1, 101):
                await caller.send(CALL, number, {}, "com.flooded", payload)
            code, about, number, _, reason = await caller.recv()
            assert (code, about, reason) == (ERROR, CALL, "wamp.error.unavailable")
            assert number > 1
            callee.ws.transport.resume_reading()
            answering = asyncio.ensure_future(yield_to_all(callee))
            answers = [await caller.recv() for _ in range(99)]
            answered = [request for code, request, *_ in answers if code == RESULT]
            assert answered[: number - 1] == [*range(1, number)]
            assert {answer[-1] for answer in answers if answer[0] == ERROR} <= {reason}
            answering.cancel()

    run(main())


def test_text_does_not_grow_on_its_way(run: Run, router: AsgiServer) -> None:
    """Subscribers may take messages as large as their publisher's only."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as ann, opened(router, WIRES[1]) as bob:
            for peer in (ann, bob):
                await peer.enter()
            await ann.ask(SUBSCRIBE, 1, {}, "com.text")
            text = "Grüße 👋 " * 50_000
            await bob.send(PUBLISH, 1, {}, "com.text", [text])
            received = await ann.ws.recv(decode=False)
            assert json.loads(received)[4:] == [[text]]
            assert len(received) < len(text.encode()) + 100

    run(main())


# Hostile clients

DEEP = "[" * 100_000
BEFORE_HELLO: list[Any] = [
    *([SUBSCRIBE, 1, {}, "a"], [WELCOME, 1, {}], [GOODBYE, {}, "a"], [HELLO, "realm1"]),
    *(
        [HELLO, 1, {}],
        [HELLO, "realm1", []],
        [HELLO, "realm1", {}],
        [HELLO, "realm1", {"roles": 1}],
        [HELLO, "realm1", {"roles": {}}],
        [HELLO, "realm1", {"roles": {"caller": 1}}],
    ),
    *([], {}, None, 1, [None], ["1"], [True], [1.0], [[HELLO]]),
]
IN_A_SESSION: list[Any] = [
    *([HELLO, "realm1", ROLES], [WELCOME, 1, {}], [EVENT, 1, 1, {}], [999, 1], [2**64 - 1], [-1]),
    *([SUBSCRIBE, 2**53 + 1, {}, "a"], [SUBSCRIBE, 0, {}, "a"], [SUBSCRIBE, -1, {}, "a"]),
    *([SUBSCRIBE, "1", {}, "a"], [SUBSCRIBE, True, {}, "a"], [SUBSCRIBE, 1.0, {}, "a"]),
    *([SUBSCRIBE, 1, [], "a"], [SUBSCRIBE, 1, {}, 1]),
    *([SUBSCRIBE, 1, {}], [SUBSCRIBE, 1, {}, "a", []], [SUBSCRIBE]),
    *([PUBLISH, 1, {}, "a", {}], [PUBLISH, 1, {}, "a", [], []], [PUBLISH, 1, {}, "a", [], {}, 1]),
    *([UNSUBSCRIBE, 1, []], [UNREGISTER, 1, {}], [UNREGISTER, 1, None]),
    *(
        [YIELD, 1, {}],
        [YIELD, 2**53, {}],
        [ERROR, CALL, 1, {}, "a"],
        [ERROR, INVOCATION, 1, {}, "a"],
        [ERROR, INVOCATION, 1, {}, "a b"],
    ),
]
# What is no message at all, of each serialisation, and values that the other one cannot carry.
RAW: dict[str, list[str | bytes]] = {
    "wamp.2.json": [
        *("", "x", "[1", DEEP, "[" + "9" * 5000 + "]", b"[32,1,{},\"a\"]"),
        '[16,1,{},"com.seen",["\\u0000not base64"]]',
        '[16,1,{},"com.seen",["\\ud800"]]',
        '[16,1,{},"com.text",["\\ud800"]]',
        f'[16,1,{{}},"com.seen",[{10**30}]]',
        *('[16,1,{},"com.seen",[NaN]]', '[16,1,{},"com.nobody",[Infinity]]'),
    ],
    "wamp.2.msgpack": [
        *(b"", b"\xc1", b"\x93", b"\x91" * 100_000, b"\x90\x90", "[]", b"\xdd\xff\xff\xff\xff"),
        msgpack.packb([PUBLISH, 1, {}, "com.seen", [{b"key": 1}]]),
        msgpack.packb([PUBLISH, 1, {}, "com.nobody", [], {b"key": 1}]),
        msgpack.packb([PUBLISH, 1, {}, "com.seen", [float("nan")]]),
        msgpack.packb([PUBLISH, 1, {}, "com.seen", [msgpack.Timestamp(1, 2)]]),
        msgpack.packb([PUBLISH, 1, {}, "com.seen", [msgpack.ExtType(5, b"abc")]]),
        b"\x95\x10\x01\x80\xa8com.seen\x91\xa1\xff",
    ],
}  # fmt: skip


@pytest.mark.parametrize("wire", WIRES)
def test_bad_messages_end_their_own_session_only(run: Run, router: AsgiServer, wire: str) -> None:
    async def refuses(bad: Any, *, raw: bool, inside: bool) -> None:
        async with opened(router, wire) as peer:
            if inside:
                await peer.enter()
                assert (await peer.ask(SUBSCRIBE, 1, {}, "com.bad"))[0] == SUBSCRIBED
            message = bad if raw else json.dumps(bad) if peer.is_json else msgpack.packb(bad)
            await peer.ws.send(message)
            code, details, reason = await peer.recv()
            assert (code, reason) == (ABORT, VIOLATION), bad
            assert isinstance(details["message"], str)
            assert await peer.ended() == 1002, bad

    async def main() -> None:
        async with opened(router, WIRES[0]) as text, opened(router, WIRES[1]) as binary:
            subscribed = {}
            for peer in (text, binary):
                await peer.enter()
                subscribed[peer] = (await peer.ask(SUBSCRIBE, 1, {}, "com.seen"))[2]
            assert (await text.ask(SUBSCRIBE, 2, {}, "com.text"))[0] == SUBSCRIBED
            for bad in BEFORE_HELLO:
                await refuses(bad, raw=False, inside=False)
            for bad in IN_A_SESSION:
                await refuses(bad, raw=False, inside=True)
            for bad in RAW[wire]:
                await refuses(bad, raw=True, inside=True)
            # Nothing of all that has reached the others, who go on as before.
            await text.send(PUBLISH, 2, {"exclude_me": False}, "com.seen", ["good"])
            for peer in (text, binary):
                assert (await peer.recv())[4:] == [["good"]]

    run(main())


@pytest.mark.parametrize(
    "answer",
    [[YIELD, 1, {}, [float("nan")]], [ERROR, INVOCATION, 1, {}, "a b"], [ERROR, CALL, 1, {}, "a"]],
)
def test_an_answer_that_its_caller_cannot_read(run: Run, router: AsgiServer, answer: Any) -> None:
    """The callee breaks the rule, and its caller is told."""

    async def main() -> None:
        async with opened(router, WIRES[1]) as callee, opened(router, WIRES[0]) as caller:
            for peer in (callee, caller):
                await peer.enter()
            await callee.ask(REGISTER, 1, {}, "com.nan")
            await caller.send(CALL, 1, {}, "com.nan")
            await callee.recv()
            assert (await callee.ask(*answer))[2] == VIOLATION
            assert await caller.recv() == [ERROR, CALL, 1, {}, "wamp.error.canceled"]
            assert (await caller.ask(CALL, 2, {}, "com.nan"))[-1] == "wamp.error.no_such_procedure"

    run(main())


def test_who_aborts_has_left(run: Run) -> None:
    """Whether or not it answers the Close."""
    never: Any = {"close_timeout": 1000, "ping_interval": None}

    async def main() -> None:
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(running(**never))
            callee, caller = [
                await (await stack.enter_async_context(opened(port, WIRES[0]))).enter()
                for _ in range(2)
            ]
            await callee.ask(REGISTER, 1, {}, "com.aborted")
            await caller.send(CALL, 1, {}, "com.aborted")
            assert (await callee.recv())[0] == INVOCATION
            callee.ws.transport.pause_reading()
            await callee.send(ABORT, {}, "com.enough")
            assert await caller.recv() == [ERROR, CALL, 1, {}, "wamp.error.canceled"]
            answer = await caller.ask(CALL, 2, {}, "com.aborted")
            assert answer[-1] == "wamp.error.no_such_procedure"
            callee.ws.transport.resume_reading()

    run(main())


def test_who_says_no_hello_is_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running() as port, opened(port, WIRES[0]) as peer:
            await peer.enter()
            async with opened(port, WIRES[1]) as late:  # its time began no earlier than ours
                code, _, reason = await late.recv()
                assert (code, reason) == (ABORT, VIOLATION)
                assert await late.ended() == 1002
            assert (await peer.ask(SUBSCRIBE, 1, {}, "com.hello"))[0] == SUBSCRIBED

    # The first may need a while to say it.
    monkeypatch.setattr(wamp_router, "PATIENCE", 3.0)
    run(main())


def test_an_abort_of_the_client(run: Run, router: AsgiServer) -> None:
    async def main() -> None:
        for entered in (False, True):
            async with opened(router, WIRES[0]) as peer:
                if entered:
                    await peer.enter()
                await peer.send(ABORT, {}, "com.enough")
                assert await peer.ended() in (1000, 1005)

    run(main())


def test_bad_messages_in_a_row(run: Run, router: AsgiServer) -> None:
    """What follows the first of them comes too late, also what would be right."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as peer, opened(router, WIRES[0]) as other:
            await other.enter()
            await peer.enter()
            frames = [[999], [999], [HELLO, "realm1", ROLES], [SUBSCRIBE, 1, {}, "com.row"]]
            frames += [[REGISTER, 2, {}, "com.row"], [GOODBYE, {}, "a.b"], [999]]
            # In one segment: all of them are there before the router's Close can be seen.
            for message in frames:
                peer.ws.protocol.send_text(json.dumps(message).encode())
            peer.ws.transport.write(b"".join(peer.ws.protocol.data_to_send()))
            code, _, reason = await peer.recv()
            assert (code, reason) == (ABORT, VIOLATION)
            assert await peer.ended() == 1002
            await other.send(CALL, 1, {}, "com.row")
            assert (await other.recv())[-1] == "wamp.error.no_such_procedure"

    run(main())


@BOTH
def test_a_subscriber_that_does_not_read(run: Run, router: AsgiServer, wire: str) -> None:
    """It is closed, and its publisher does not wait for it."""

    async def main() -> None:
        async with opened(router, wire) as slow, opened(router, WIRES[0]) as publisher:
            for peer in (slow, publisher):
                await peer.enter()
            await slow.ask(SUBSCRIBE, 1, {}, "com.slow")
            for number in range(1, 301):
                answer = await publisher.ask(
                    PUBLISH, number, {"acknowledge": True}, "com.slow", ["x" * 100_000]
                )
                assert answer[:2] == [PUBLISHED, number]
            seen = 0
            with suppress(ConnectionClosed):
                while seen < 301:
                    assert (await slow.recv())[0] == EVENT
                    seen += 1
            assert 0 < seen < 300
            assert slow.ws.close_code == 1013

    run(main())


def test_a_caller_that_does_not_read(run: Run, router: AsgiServer) -> None:
    """It is closed for the results that wait for it, and its callee notices nothing."""

    async def main() -> None:
        async with opened(router, WIRES[0]) as callee, opened(router, WIRES[0]) as caller:
            for peer in (callee, caller):
                await peer.enter()
            await callee.ask(REGISTER, 1, {}, "com.results")
            for number in range(1, 61):
                await caller.send(CALL, number, {}, "com.results")
                assert (await callee.recv())[1] == number
            caller.ws.transport.pause_reading()
            result = os.urandom(450_000).hex()
            for number in range(1, 61):
                await callee.send(YIELD, number, {}, [result])
            assert (await callee.ask(SUBSCRIBE, 2, {}, "com.results"))[0] == SUBSCRIBED
            caller.ws.transport.resume_reading()
            seen = 0
            with suppress(ConnectionClosed):
                while seen < 61:
                    assert (await caller.recv())[:2] == [RESULT, seen + 1]
                    seen += 1
            assert 0 < seen < 60
            assert caller.ws.close_code == 1008

    run(main())
