"""Deliveries of very much: to a slow reader, and from a peer that floods."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support import delivering_at
from support.delivering_at import Place
from support.rawpeer import raw_client, serving, until, uri
from support.spy import spy_on_wires

import wscore
from wscore.aio.connection import wire
from wscore.aio.server import pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[Any], Any]

place = delivering_at.place

MANY = 100_000


def _mixed() -> Iterator[bytes]:
    """Most messages are short, some have up to 200 KiB; each has its number, but for empty ones."""
    dice = random.Random(6455)
    for number in range(MANY):
        most = 204_800 if number % 50 == 1 else 400
        size = int(most ** dice.random()) if number % 10 else 0
        yield (b"%d " % number).ljust(size, b"x")[: size + 7 * (size > 0)]


def test_a_slow_reader_gets_everything_in_order(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lone frames may go past the transport; others wait in it, and nothing may overtake them."""

    async def handler(ws: wscore.ServerConnection) -> None:
        dice = random.Random(1)
        for message in _mixed():
            await ws.send(message)
            if dice.random() < 0.1:
                await asyncio.sleep(0)
        sent.append(ws.stats.bytes_sent)

    async def main() -> None:
        dice = random.Random(2)
        options = {"compression": None}
        async with place.serve(handler, **options) as server:
            ws = await place.connect(server, **options)
            for expected in _mixed():
                assert await ws.recv() == expected
                if dice.random() < 0.0002:
                    await asyncio.sleep(0.03)
            with pytest.raises(wscore.ConnectionClosedOK):
                await ws.recv()

    spies = spy_on_wires(monkeypatch)
    # As without a spy.
    find = wire.fileno_of
    for module in (wire, pending):
        monkeypatch.setattr(module, "fileno_of", lambda spy: find(spy.transport))
    sent: list[int] = []
    run(main())
    through = max(sum(map(len, spy.writes)) for spy in spies)
    if wscore.BACKEND == "compiled" and find(spies[0].transport) is not None:
        assert 0 < through < 0.9 * sent[0], "both ways were used"
    else:
        assert through >= sent[0]


def _flood(sock: Any, stop: threading.Event) -> None:
    """Send as fast as messages are taken; on a thread, as another process would."""
    frames = (b"\x82\xfe\x04\0\0\0\0\0" + bytes(1024)) * 500
    with suppress(OSError):
        while not stop.is_set():
            sock.sendall(frames)


@pytest.mark.parametrize("busy", [False, True], ids=["sink", "echo"])
def test_a_flood_on_one_connection_leaves_others_their_turn(run: Run, busy: bool) -> None:
    async def handler(ws: wscore.ServerConnection) -> None:
        nonlocal flooded
        async for message in ws:
            if type(message) is str:
                await ws.send(message)
            else:
                flooded += 1
                if busy:
                    ws.write(b"")

    async def talk(server: wscore.Server) -> None:
        async with wscore.connect(uri(server)) as ws:
            for number in range(10):
                before = flooded
                await ws.send(str(number))
                assert await ws.recv() == str(number)
                while flooded == before:
                    await asyncio.sleep(0.002)

    async def main() -> None:
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        async with serving(handler, max_unsent=None) as server, raw_client(server) as peer:
            # Its answers are read by the stream, and dropped.
            sock = peer.writer.get_extra_info("socket").dup()
            sock.setblocking(True)
            dropping = asyncio.ensure_future(_drop(peer.reader))
            flooding = loop.run_in_executor(None, _flood, sock, stop)
            try:
                await until(lambda: flooded > 10_000)
                await talk(server)
            finally:
                stop.set()
                await flooding
                sock.close()
                dropping.cancel()
                await loop.shutdown_default_executor()

    flooded = 0
    run(main())


async def _drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
