"""The shared corpus against live servers: whole, in pieces, byte by byte."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.corpus import CASES
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Echo,
    RawPeer,
    echo,
    raw_client,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import wscore

PLAIN = [case for case in CASES if case["extensions"] is None]


# Where the server is right to end the stream: who writes on may find it reset.
COMPLETE = {"data-after-close": 8}


async def _write_pieces(peer: RawPeer, data: bytes, size: int, last: int) -> None:
    """Write pieces of *size*, and all from byte *last* on together with the one before."""
    starts = [*range(0, last, size), len(data)]
    for start, end in pairwise(starts):
        peer.write(data[start:end])
        await peer.writer.drain()
        # A turn of the loop for the server to read this piece alone.
        await asyncio.sleep(0)


async def _answers(server: wscore.Server, case: dict[str, Any], size: int) -> list[WireFrame]:
    """What the server sends, to the end of the stream; where it stays open, we close it."""
    async with raw_client(server) as peer:
        try:
            data = bytes.fromhex(case["hex"])
            await _write_pieces(peer, data, size, COMPLETE.get(case["id"], len(data)))
        except ConnectionError:
            pytest.fail("the server reset the connection instead of closing it")
        if case["close"] is not None:
            return await peer.rest()
        answers = await peer.frames(len(case["messages"]))
        peer.writer.write_eof()
        assert await peer.rest() == [], "the connection stays open, and nothing else is sent"
        return answers


def _assert_answers(case: dict[str, Any], answers: list[WireFrame]) -> None:
    if case["close"] is not None:
        *answers, close = answers
        assert close.opcode == CLOSE
        assert int.from_bytes(close.payload[:2], "big") in case["close"]
    pongs = [frame.payload.hex() for frame in answers if frame.opcode == PONG]
    if case["pongs"]:
        assert pongs == case["pongs"]
    messages = [
        ["t", frame.payload.decode()] if frame.opcode == TEXT else ["b", frame.payload.hex()]
        for frame in answers
        if frame.opcode in (TEXT, BINARY)
    ]
    assert len(messages) + len(pongs) == len(answers), "the Close is the last frame"
    violated = case["close"] is not None and case["close"][0] != 1000
    assert messages == case["messages"][: len(messages)]
    assert violated or messages == case["messages"]


async def _assert_works(peer: RawPeer) -> None:
    peer.send(WireFrame(TEXT, b"still here"), WireFrame(PING, b"?"))
    got = await peer.frames(2)
    assert sorted(got) == [WireFrame(TEXT, b"still here"), WireFrame(PONG, b"?")]


@pytest.mark.parametrize("size", [1 << 30, 5, 1])
@pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])
def test_corpus(run: Callable[..., Any], handler: Any, size: int) -> None:
    async def main() -> None:
        for limit in {case["max_size"] for case in PLAIN}:
            options = {} if limit is None else {"max_size": limit}
            async with serving(handler, **options) as server, raw_client(server) as bystander:
                for case in PLAIN:
                    if case["max_size"] == limit:
                        answers = await _answers(server, case, size)
                        try:
                            _assert_answers(case, answers)
                        except AssertionError as error:
                            raise AssertionError(case["id"], answers) from error
                        await _assert_works(bystander)
                bystander.send(WireFrame(CLOSE))

    assert len(PLAIN) >= 52
    run(main())
