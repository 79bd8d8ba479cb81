"""Clients that come, talk and go in every way there is, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from pathlib import Path

import wscore
from wscore.aio.client.opening import ClientOpening
from wscore.aio.connection.backlog import Backlog
from wscore.aio.connection.heartbeat import Heartbeat
from wscore.aio.connection.listener_receiver import ListenerReceiver
from wscore.aio.connection.pings import Pings
from wscore.aio.connection.read_decoder import ReadDecoder
from wscore.aio.connection.receive_queue import ReceiveQueue
from wscore.aio.connection.send_queue import SendQueue
from wscore.aio.connection.sending import Sender
from wscore.aio.connection.tls_transport import TLSTransport
from wscore.aio.connection.wire import Wire
from wscore.aio.server.opening import ServerOpening
from wscore.aio.server.pending import PendingConnection

from ..support.certificates import serving, trusting
from .flatness import Complaints, Flatness, alive
from .visitors import Visitor

AT_ONCE = 30
SAMPLES = 30
PATIENCE = 30.0  # seconds
# What goes with a connection; by the classes, so that no name can be out of date.
OF_CONNECTIONS = [
    kind.__name__
    for kind in (
        wscore.ServerConnection, wscore.ClientConnection, PendingConnection, Wire, Sender,
        SendQueue, ReceiveQueue, ListenerReceiver, Backlog, ReadDecoder, Heartbeat, Pings,
        ServerOpening, ClientOpening, TLSTransport, wscore.ServerProtocol, wscore.ClientProtocol,
        wscore.MessageReader, wscore.FrameWriter,
    )
]  # fmt: skip


def obey(ws: wscore.Connection, message: str | bytes) -> bool:
    """Do what *message* orders; whether it was an order."""
    if message == "raise":
        raise RuntimeError("as ordered")
    if message == "close":
        ws.start_close(1011, "as ordered")
    elif message == "abort":
        ws.abort()
    return message in ("close", "abort")


async def coroutine(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        if not obey(ws, message):
            await ws.send(message)


class Echo(wscore.Listener):
    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        if not obey(ws, message):
            ws.write(message)


async def churn(seconds: float, seed: int, certificate: Path | None) -> None:
    """With a *certificate*, within TLS.

    Raises AssertionError when anything is wrong, grows or is left over.
    """
    loop = asyncio.get_running_loop()
    logging.getLogger("wscore").setLevel(logging.CRITICAL)  # handlers fail as they are told
    complaints, flatness = Complaints(), Flatness()
    routes = {"/coroutine": coroutine, "/listener": Echo}
    server_tls = certificate and serving(certificate)
    client_tls = certificate and trusting(certificate)
    async with wscore.serve(
        routes, "127.0.0.1", 0, compression="deflate", open_timeout=2, close_timeout=2,
        ssl=server_tls,
    ) as server:  # fmt: skip
        port = server.sockets[0].getsockname()[1]
        until = loop.time() + seconds
        chances = [random.Random(seed * 1000 + number) for number in range(AT_ONCE)]
        visitors = [Visitor(port, chance, client_tls) for chance in chances]
        tasks = [asyncio.ensure_future(visitor.stay(until)) for visitor in visitors]
        for _ in range(SAMPLES):
            await asyncio.sleep(seconds / SAMPLES)
            flatness.sample(_progress(visitors, server))
            for task in tasks:
                if task.done():
                    task.result()
        # Those who are here may finish, those whose peer has vanished are found out.
        await asyncio.wait_for(_all_gone(tasks, server), PATIENCE)
    _assert_nothing_left()
    flatness.assert_flat()
    assert not complaints.lines, complaints.lines


async def _all_gone(tasks: list[asyncio.Task[None]], server: wscore.Server) -> None:
    await asyncio.gather(*tasks)
    while server.stats.connections:
        await asyncio.sleep(0.05)


def _progress(visitors: list[Visitor], server: wscore.Server) -> str:
    visits = sum(visitor.visits for visitor in visitors)
    messages = sum(visitor.messages for visitor in visitors)
    return f"{visits} visits, {messages} messages, {server.stats.connections} connections"


def _assert_nothing_left() -> None:
    left: Counter[str] = alive()
    print("objects left:", dict(left))
    of_connections = {name: left[name] for name in OF_CONNECTIONS if left[name]}
    assert not of_connections, of_connections
    assert len(asyncio.all_tasks()) == 1
