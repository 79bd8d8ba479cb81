"""From WebSocket to TCP: where a client is connected to, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.bridging import HERE, Far, pipes_of, port_of, serving_to, target_server
from support.oracles import WireFrame
from support.processes import free_port
from support.rawpeer import BINARY, CLOSE, raw_connection, until

import wscore
from wscore import bridge
from wscore.bridge import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


async def closed_with(running: bridge.Bridge, path: str = "/") -> tuple[int, str]:
    """The code and the reason that a new client is closed with."""
    async with raw_connection(HERE, port_of(running), path) as peer:
        frame = await peer.frame()
        assert frame.opcode == CLOSE
        peer.send(frame)
    return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()


# Whom --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "status", "agreed"),
    [
        ([], 400, None),
        (["v12.stomp"], 400, None),
        (["mqtt"], 101, "mqtt"),
        (["mqttv3.1", "mqtt"], 101, "mqtt"),
        (["x", "mqttv3.1"], 101, "mqttv3.1"),
    ],
)
def test_a_subprotocol_is_demanded(
    run: Run, offered: list[str], status: int, agreed: str | None
) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target, subprotocols=["mqtt", "mqttv3.1"]) as running,
        ):
            extra = [f"Sec-WebSocket-Protocol: {', '.join(offered)}"] if offered else []
            there = raw_connection(HERE, port_of(running), "/", *extra, status=status)
            async with there as peer:
                told = f"Sec-WebSocket-Protocol: {agreed}\r\n".encode()
                assert (told in peer.head) is (agreed is not None)
                if status == 101:
                    await target.accept()
            assert len(target.all) == (status == 101)

    run(main())


def test_origins_are_checked(run: Run) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target, origins=["https://ours.example"]) as running,
        ):
            for origin, status in (("https://ours.example", 101), ("https://theirs.example", 403)):
                header = f"Origin: {origin}"
                async with raw_connection(HERE, port_of(running), "/", header, status=status):
                    pass

    run(main())


def test_connections_are_limited(run: Run) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target, max_connections=1) as running,
            raw_connection(HERE, port_of(running)),
        ):
            await target.accept()
            async with raw_connection(HERE, port_of(running), status=503):
                pass

    run(main())


# Targets that cannot be reached ------------------------------------------------------------------


def test_a_target_that_refuses_is_1014(warned: Run) -> None:
    async def main() -> None:
        async with serving_to(f"{HERE}:{free_port()}") as running:
            told = await closed_with(running)
            assert told == (1014, "the target refused the connection")
            assert running.stats.failures == {"refused": 1}
            await until(lambda: not running.pipes)

    warned(main())


def test_a_unix_socket_that_is_not_there_is_1014(warned: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving_to(f"unix:{tmp_path}/none") as running:
            assert (await closed_with(running))[0] == 1014

    warned(main())


def test_a_target_that_does_not_answer_is_1014(warned: Run) -> None:
    """It accepts, and never says a word of TLS."""

    async def main() -> None:
        async with target_server() as target:
            to: Any = Target(host=HERE, port=target.port, ssl=True)
            async with bridge.serve(to, HERE, 0, connect_timeout=0.05) as running:
                assert await closed_with(running) == (1014, "the target did not answer in time")
                assert running.stats.failures == {"timeout": 1}
                await until(lambda: not running.pipes)

    warned(main())


def test_a_client_that_leaves_is_not_connected(run: Run) -> None:
    """Its target hangs, and nobody waits for it any more."""

    async def main() -> None:
        async with target_server() as target:
            to: Any = Target(host=HERE, port=target.port, ssl=True)
            async with bridge.serve(to, HERE, 0) as running:
                async with raw_connection(HERE, port_of(running)) as peer:
                    far = await target.accept()
                    [pipe] = pipes_of(running)
                    pipe.ws.abort()
                    await until(lambda: not running.pipes)
                    assert await peer.reader.read() == b""
                await far.finish()

    run(main())


def test_what_came_before_is_there_for_the_target(run: Run) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target) as running,
            raw_connection(HERE, port_of(running), status=0) as peer,
        ):
            peer.send(WireFrame(BINARY, b"one"), WireFrame(BINARY, b"two"))
            far = await target.accept()
            assert await far.reader.readexactly(6) == b"onetwo"

    run(main())


# TLS and unix sockets ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "localhost"])
def test_targets_with_tls(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, name: str | None
) -> None:
    async def main() -> None:
        async with target_server(server_tls) as target:
            to: Any = Target(host=HERE, port=target.port, ssl=client_tls, server_hostname=name)
            async with (
                bridge.serve(to, HERE, 0) as running,
                wscore.connect(f"ws://{HERE}:{port_of(running)}/") as ws,
            ):
                far = await target.accept()
                await ws.send(bytes(1 << 19))
                assert await far.reader.readexactly(1 << 19) == bytes(1 << 19)
                far.writer.write(b"pong")
                assert await ws.recv() == b"pong"
                await ws.close()
                assert await far.rest() == b""

    run(main())


@pytest.mark.parametrize("wrong", ["authority", "name", "no TLS"])
def test_the_certificate_of_a_target_is_checked(
    warned: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, wrong: str
) -> None:
    async def main() -> None:
        async with target_server(None if wrong == "no TLS" else server_tls) as target:
            to: Any = Target(
                host=HERE,
                port=target.port,
                ssl=True if wrong == "authority" else client_tls,
                server_hostname="other.example" if wrong == "name" else None,
            )
            async with bridge.serve(to, HERE, 0, connect_timeout=5) as running:
                waiting = asyncio.ensure_future(closed_with(running))
                if wrong == "no TLS":
                    (await target.accept()).writer.write(b"220 hello\r\n")
                code, reason = await waiting
                assert code == 1014
                assert reason == (
                    "TLS with the target failed"
                    if wrong == "no TLS"
                    else "the target's certificate is not valid"
                )
                assert running.stats.failures == {"tls": 1}

    warned(main())


def test_clients_with_tls(run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target, ssl=server_tls) as running,
            wscore.connect(f"wss://{HERE}:{port_of(running)}/", ssl=client_tls) as ws,
        ):
            far = await target.accept()
            far.writer.write(b"hello")
            await far.finish()
            assert await ws.recv() == b"hello"
            with pytest.raises(wscore.ConnectionClosedOK):
                await ws.recv()
            assert ws.close_code == 1001

    run(main())


def test_unix_sockets_on_both_sides(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        arrived: asyncio.Queue[Far] = asyncio.Queue()
        there, here = str(tmp_path / "there"), str(tmp_path / "here")
        listening = await asyncio.start_unix_server(
            lambda r, w: arrived.put_nowait(Far(r, w)), there
        )
        async with bridge.serve(f"unix:{there}", path=here), wscore.unix_connect(here) as ws:
            far = await arrived.get()
            await ws.send(b"hello")
            assert await far.reader.readexactly(5) == b"hello"
            ws.abort()  # there is no reset: it is an end
            assert await far.rest() == b""
            await far.finish()
        listening.close()
        await listening.wait_closed()

    run(main())


# Options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "options", "error"),
    [
        ("host", {}, ValueError),
        ({}, {}, ValueError),
        ({"a/b": "h:1"}, {}, ValueError),
        ({"..": "h:1"}, {}, ValueError),
        ({"a": "h"}, {}, ValueError),
        ({1: "h:1"}, {}, TypeError),
        ({"a": 1}, {}, TypeError),
        (1, {}, TypeError),
        ("h:1", {"text": 1}, TypeError),
        ("h:1", {"read_size": 3}, ValueError),
        ("h:1", {"idle_timeout": 0}, ValueError),
        ("h:1", {"connect_timeout": 0}, ValueError),
        ("h:1", {"max_unsent": 1}, TypeError),
        ("h:1", {"overflow": "drop_oldest"}, TypeError),
        ("h:1", {"require_subprotocol": True}, TypeError),
        ("h:1", {"subprotocol": "mqtt"}, TypeError),
        ("h:1", {"ping_interval": 0}, ValueError),
    ],
)
def test_wrong_options_are_refused(to: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        bridge.serve(to, **options)


def test_its_keywords_are_those_of_serve() -> None:
    shown = inspect.signature(bridge.serve).parameters
    assert shown["compression"].default is None
    theirs = set(inspect.signature(wscore.serve).parameters)
    assert theirs - set(shown) == {"handler", "max_unsent", "overflow", "require_subprotocol"}
    assert set(shown) - theirs == {"to", "text", "connect_timeout", "idle_timeout", "read_size"}


def test_a_port_that_is_taken_is_an_error(run: Run) -> None:
    async def main() -> None:
        with (
            socket.create_server((HERE, 0)) as taken,
            pytest.raises(OSError, match="in use"),
        ):
            await bridge.serve("h:1", HERE, taken.getsockname()[1])

    run(main())
