"""Through real proxies: tinyproxy for CONNECT, microsocks for SOCKS5."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.processes import free_port, running, wait_until_listening
from support.programs import program

import wscore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 30
PidFile "{folder}/pid"
LogFile "{folder}/log"
LogLevel Critical
MaxClients 20
Allow 127.0.0.1
BasicAuth me secret
"""


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with running(subprocess.Popen(command, stdout=quiet, stderr=quiet)) as process:
        wait_until_listening(process, port)
        yield


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    config = tmp_path / "tinyproxy.conf"
    config.write_text(TINYPROXY.format(port=port, folder=tmp_path))
    with listening([program("tinyproxy"), "-d", "-c", str(config)], port):
        yield f"http://me:secret@127.0.0.1:{port}"


@pytest.fixture
def microsocks() -> Iterator[str]:
    port = free_port()
    command = ["-i", "127.0.0.1", "-p", str(port), "-u", "me", "-P", "secret"]
    with listening([program("microsocks"), *command], port):
        yield f"socks5h://me:secret@127.0.0.1:{port}"


async def echo(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def talk(proxy: str) -> None:
    async with wscore.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with wscore.connect(f"ws://127.0.0.1:{port}/", proxy=proxy) as ws:
            for message in ("text", b"x" * 300_000):
                await ws.send(message)
                assert await ws.recv() == message


@pytest.mark.parametrize("name", ["tinyproxy", "microsocks"])
def test_messages_go_through(name: str, request: pytest.FixtureRequest) -> None:
    asyncio.run(talk(request.getfixturevalue(name)))


@pytest.mark.parametrize("name", ["tinyproxy", "microsocks"])
def test_a_wrong_password(name: str, request: pytest.FixtureRequest) -> None:
    proxy: Any = request.getfixturevalue(name).replace("secret", "guess")
    with pytest.raises(wscore.ProxyError) as caught:
        asyncio.run(talk(proxy))
    if name == "tinyproxy":
        assert isinstance(caught.value, wscore.InvalidProxyStatus)
        assert caught.value.status in (401, 407)
