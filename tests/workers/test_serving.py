"""Serving an application on sockets that are there already, until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.internals import host_of

import wscore
from wscore.workers.app import AppError
from wscore.workers.serving import Settings, Stop, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

APP = """
import asyncio, wscore.workers
async def handler(ws):
    async for message in ws:
        await ws.send(message)
async def slowly(connection, request):
    await asyncio.sleep(0.3)
slow = wscore.workers.App(handler, process_request=slowly)
wrong = wscore.workers.App(handler, max_size="big")
"""
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served_here.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)


def bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


class Serving:
    """An application on two sockets, and whoever disturbs it from another thread."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.stop = Stop()
        self.server: wscore.Server | None = None

    async def until(self, look: Callable[[wscore.Server], object]) -> None:
        assert self.server is not None
        while not look(self.server):
            await asyncio.sleep(0.01)


def serving(
    body: Callable[[Serving], Awaitable[None]],
    app: str = "served_here:handler",
    loop: str = "asyncio",
) -> None:
    """Run *body* beside an application; it gives the order to stop."""
    sockets, ready = [bound(), bound()], threading.Event()
    served = Serving([sock.getsockname()[1] for sock in sockets])
    settings = Settings(app, options={"close_timeout": 1.0}, loop=loop)

    def take(server: wscore.Server) -> None:
        served.server = server
        ready.set()

    def beside() -> None:
        assert ready.wait(20)
        try:
            asyncio.run(asyncio.wait_for(body(served), 30))
        finally:
            served.stop.order(1001)

    with ThreadPoolExecutor() as pool:
        done = pool.submit(beside)
        run(settings, sockets, served.stop, take)
        done.result()
    for port in served.ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("code", [1001, 1012])
def test_all_sockets_are_served_until_the_order(loop: str, code: int) -> None:
    async def body(served: Serving) -> None:
        clients = [await wscore.connect(f"ws://127.0.0.1:{port}/") for port in served.ports]
        for ws in clients:
            await ws.send("x")
            assert await ws.recv() == "x"
        served.stop.order(code)
        for ws in clients:
            await ws.wait_closed()
            assert ws.close_code == code

    serving(body, loop=loop)


def is_there(server: wscore.Server) -> bool:
    """Whether the client has been accepted."""
    host = host_of(server)
    return bool(host.pending or host.wires)


async def answer_to_a_late_request(served: Serving, code: int, sent: int) -> bytes:
    """Connect, send a part of a request, have the server stop, and then send the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.ports[1])
    writer.write(HANDSHAKE[:sent])
    await served.until(is_there)
    served.stop.order(code)
    await served.until(lambda server: not server.is_serving())
    writer.write(HANDSHAKE[sent:])
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("app", ["handler", "slow"])
@pytest.mark.parametrize("sent", [0, 20, len(HANDSHAKE)])
def test_a_restart_lets_in_who_is_there(
    app: str, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their connection is closed with 1012, which they know what to do about."""

    async def body(served: Serving) -> None:
        answer = await answer_to_a_late_request(served, 1012, sent)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert answer.endswith(b"\r\n\r\n\x88\x02\x03\xf4")

    monkeypatch.setattr("wscore.workers.serving._LETTING_IN", 25.0)
    serving(body, f"served_here:{app}")


def test_an_end_refuses_who_is_there() -> None:
    async def body(served: Serving) -> None:
        assert (await answer_to_a_late_request(served, 1001, 20)).startswith(b"HTTP/1.1 503 ")

    serving(body)


def test_who_is_there_and_says_nothing_does_not_hold_it_up() -> None:
    silent = socket.socket()

    async def body(served: Serving) -> None:
        silent.connect(("127.0.0.1", served.ports[0]))
        await served.until(is_there)
        served.stop.order(1012)

    serving(body)
    silent.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings("served_here:wrong"), "served_here:wrong: max_size must be"),
        (Settings("served_here:asyncio"), "served_here:asyncio: handler must be"),
        (Settings("served_here:handler", loop="uvloop"), "needs uvloop"),
        (Settings("served_here:handler", tls=("no.pem", "no.key")), "certificate and key no.pem"),
    ],
)
def test_what_cannot_be_served(
    settings: Settings, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with bound() as sock, pytest.raises(AppError, match=told):
        run(settings, [sock], Stop(), lambda _: None)


def test_a_socket_that_cannot_listen_closes_the_others() -> None:
    with bound() as good, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        port = good.getsockname()[1]
        with pytest.raises(ValueError, match="Stream"):
            run(Settings("served_here:handler"), [good, wrong], Stop(), lambda _: None)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


# The order ---------------------------------------------------------------------------------------


def test_an_order_before_there_is_a_loop() -> None:
    stop = Stop()
    stop.order(1012)
    stop.order(1001)
    assert asyncio.run(stop.wait()) == 1012, "the first counts"
    stop.order(1001)  # after the loop is closed
