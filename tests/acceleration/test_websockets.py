"""websockets: its asyncio client and server, and its masking function."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import product

import pytest
import websockets.frames
import websockets.speedups
from support.drop_in import BUFFERS, KEYS, NO_BUFFERS, SIZES, assert_drop_in, name, needs_compiled
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

pytestmark = needs_compiled


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def _exchange(messages: list[str | bytes]) -> list[str | bytes]:
    async with serve(_echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as client:
            echoed = []
            for message in messages:
                await client.send(message)
                echoed.append(await client.recv())
            return echoed


def test_client_and_server_mask_through_wscore(
    accelerate: Callable[..., object], calls: Counter[str]
) -> None:
    accelerate("websockets")
    messages = [make(size) for size in SIZES for make in (bytes, lambda size: "ü" * size)]
    assert asyncio.run(_exchange(messages)) == messages
    assert calls["apply_mask"] >= 2 * len(messages)


def test_a_view_with_gaps_is_sent(accelerate: Callable[..., object]) -> None:
    accelerate("websockets")
    assert asyncio.run(_exchange([memoryview(b"HHeelllloo")[::2]])) == [b"Hello"]


@pytest.mark.parametrize("data", BUFFERS + NO_BUFFERS, ids=name)
def test_takes_what_websockets_takes(accelerate: Callable[..., object], data: object) -> None:
    own = websockets.frames.apply_mask
    accelerate("websockets")
    for mask in KEYS:
        assert_drop_in(own, websockets.frames.apply_mask, data, mask)


def test_keywords_and_errors(accelerate: Callable[..., object]) -> None:
    accelerate("websockets")
    assert websockets.frames.apply_mask(data=b"\0" * 5, mask=b"abcd") == b"abcda"
    for data, mask in product((b"Hello", memoryview(b"Hello")[::2]), (b"", b"abc", b"abcde")):
        with pytest.raises(ValueError, match=r"mask must contain 4 bytes"):
            websockets.frames.apply_mask(data, mask)


def test_restore_puts_the_same_object_back(accelerate: Callable[..., object]) -> None:
    import wscore

    own = websockets.speedups.apply_mask
    assert websockets.frames.apply_mask is own
    accelerate("websockets")
    assert websockets.frames.apply_mask is websockets.speedups.apply_mask is not own
    assert wscore.restore("websockets")["websockets"].detail == "restored"
    assert websockets.frames.apply_mask is websockets.speedups.apply_mask is own


def test_the_legacy_part_imported_afterwards(isolated: Callable[..., str]) -> None:
    isolated("""
        import wscore
        import websockets.speedups
        own = websockets.speedups.apply_mask
        wscore.accelerate("websockets")
        import websockets.frames, websockets.legacy.framing as legacy
        assert legacy.apply_mask is websockets.frames.apply_mask is not own
        wscore.restore()
        assert legacy.apply_mask is websockets.frames.apply_mask is own
    """)
