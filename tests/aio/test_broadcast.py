"""`broadcast`: who gets the message, who is left out, and what is said about it."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import BINARY, CLOSE, TEXT, opened, until

import wscore
from wscore import ConcurrencyError, broadcast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("message", "text", "opcode", "payload"),
    [
        ("é", None, TEXT, "é".encode()),
        ("é", False, BINARY, "é".encode()),
        (b"\x01", None, BINARY, b"\x01"),
        (bytearray(b"\xc3\xa9"), True, TEXT, "é".encode()),
    ],
)
def test_every_open_connection_gets_it(
    run: Run, message: Any, text: bool | None, opcode: int, payload: bytes
) -> None:
    async def main() -> None:
        async with opened() as (first, peer), opened() as (second, other):
            broadcast(iter([first, second]), message, text=text)
            for one in (peer, other):
                frame = await one.frame()
                assert (frame.opcode, frame.payload) == (opcode, payload)

    run(main())


def test_closing_and_closed_ones_are_left_out(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opened() as (closing, peer), opened() as (closed, _), opened() as (ws, other):
            closed.abort()
            await closed.wait_closed()
            closing.start_close()
            broadcast([closing, closed, ws], "for one")
            assert (await peer.frame()).opcode == CLOSE
            assert (await other.frame()).payload == b"for one"

    run(main())
    assert not _warnings(caplog)


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


async def _half_a_message(ready: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[str]:
    yield "one"
    ready.set()
    await go_on.wait()
    yield "two"


def test_one_in_the_middle_of_a_message_is_left_out_and_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        ready, go_on = asyncio.Event(), asyncio.Event()
        async with opened() as (busy, peer), opened() as (ws, other):
            sending = asyncio.ensure_future(busy.send(_half_a_message(ready, go_on)))
            await ready.wait()
            broadcast([busy, ws], "now")
            assert (await other.frame()).payload == b"now"
            go_on.set()
            await sending
            payloads = [frame.payload for frame in await peer.frames(2)]
            assert payloads == [b"one", b"two"]

    run(main())
    (warning,) = _warnings(caplog)
    assert "skipped broadcast" in warning
    assert "fragmented" in warning
    caplog.clear()


def test_failures_are_raised_when_asked_for(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ready, go_on = asyncio.Event(), asyncio.Event()
        async with opened() as (busy, _), opened() as (ws, other):
            sending = asyncio.ensure_future(busy.send(_half_a_message(ready, go_on)))
            await ready.wait()
            if sys.version_info < (3, 11):
                with pytest.raises(ValueError, match=r"needs Python 3\.11"):
                    broadcast([busy, ws], "now", raise_exceptions=True)
                broadcast([ws], "now")
            else:
                with pytest.raises(ExceptionGroup, match="skipped") as raised:  # noqa: F821
                    broadcast([busy, ws], "now", raise_exceptions=True)
                assert [type(error) for error in raised.value.exceptions] == [ConcurrencyError]
                broadcast([ws], "again", raise_exceptions=True)
            assert (await other.frame()).payload == b"now"
            go_on.set()
            await sending

    run(main())
    assert sys.version_info < (3, 11) or not _warnings(caplog)


@pytest.mark.parametrize("message", [None, 5, ["two"], object()])
def test_what_is_no_message_is_refused_even_by_nobody(message: Any) -> None:
    with pytest.raises(TypeError, match="message must be a str or bytes"):
        broadcast([], message)


def test_it_waits_for_nobody(run: Run) -> None:
    """A peer that does not read holds up neither the sender nor the others."""

    async def main() -> None:
        async with opened(max_unsent=None) as (slow, _), opened() as (ws, other):
            for number in range(64):
                broadcast([slow], b"x" * 262144)
                broadcast([ws], str(number))
            await until(lambda: slow.stats.bytes_unsent)
            assert [int(f.payload) for f in await other.frames(64)] == list(range(64))
            slow.abort()

    run(main())


def test_it_is_the_same_function_everywhere() -> None:
    from wscore import aio

    assert wscore.broadcast is aio.broadcast
