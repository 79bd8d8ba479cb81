"""Behind a real haproxy, which writes both versions of the PROXY protocol, and X-Forwarded-For."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.processes import free_port, running, wait_until_listening
from support.programs import program
from support.rawpeer import address

import wscore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

CONFIGURATION = """
defaults
    mode {mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend front
    bind 127.0.0.1:{port}
    {front}
    default_backend nodes
backend nodes
    server node 127.0.0.1:{node} {options}
"""


async def tell(ws: wscore.ServerConnection) -> None:
    """Say who the client is, then echo."""
    await ws.send(f"{ws.remote_address[0]} {ws.scheme}")
    async for message in ws:
        await ws.send(message)


@contextmanager
def haproxy(
    folder: Path, node: int, *, mode: str = "tcp", front: str = "", options: str = ""
) -> Iterator[int]:
    port = free_port()
    text = CONFIGURATION.format(mode=mode, port=port, front=front, node=node, options=options)
    (folder / "haproxy.cfg").write_text(text)
    command = [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
    quiet = subprocess.DEVNULL
    with running(subprocess.Popen(command, stdout=quiet, stderr=quiet)) as process:
        wait_until_listening(process, port)
        yield port


async def talk(port: int, told: str, **options: Any) -> None:
    scheme = "wss" if options.get("ssl") else "ws"
    options = {"local_addr": ("127.0.9.9", 0), "proxy": None, **options}
    async with wscore.connect(f"{scheme}://127.0.0.1:{port}/", **options) as ws:
        assert await ws.recv() == told
        for message in (b"", b"x" * 900_000):
            await ws.send(message)
            assert await ws.recv() == message


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
def test_the_proxy_protocol(tmp_path: Path, version: str) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]}
        async with wscore.serve(tell, "127.0.0.1", 0, **options) as server:
            with haproxy(tmp_path, address(server)[1], options=version) as port:
                await talk(port, "127.0.9.9 ws")

    asyncio.run(main())


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_tls_goes_through(
    tmp_path: Path, version: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"proxy_protocol": True, "ssl": server_tls}
        async with wscore.serve(tell, "127.0.0.1", 0, **options) as server:
            with haproxy(tmp_path, address(server)[1], options=version) as port:
                await talk(port, "127.0.9.9 wss", ssl=client_tls)

    asyncio.run(main())


@pytest.mark.parametrize("checks", ["check inter 100 send-proxy-v2", "check inter 100 send-proxy"])
def test_health_checks_are_no_clients(tmp_path: Path, checks: str) -> None:
    """They connect, send LOCAL or UNKNOWN, and leave."""

    async def main() -> None:
        async with wscore.serve(tell, "127.0.0.1", 0, proxy_protocol=True) as server:
            with haproxy(tmp_path, address(server)[1], options=checks) as port:
                while server.stats.handshakes_refused.get("abandoned", 0) < 3:
                    await asyncio.sleep(0.02)
                await talk(port, "127.0.9.9 ws")
            assert set(server.stats.handshakes_refused) == {"abandoned"}

    asyncio.run(main())


def test_x_forwarded_for(tmp_path: Path) -> None:
    """haproxy adds a line of its own to those that the client has sent."""

    async def main() -> None:
        async with wscore.serve(tell, "127.0.0.1", 0, trusted_proxies=["127.0.0.1"]) as server:
            where = address(server)[1]
            with haproxy(tmp_path, where, mode="http", front="option forwardfor") as port:
                for forged in ("1.1.1.1", "127.0.0.1", "1.1.1.1, 127.0.0.1", "unknown", ","):
                    headers = {"X-Forwarded-For": forged}
                    await talk(port, "127.0.9.9 ws", additional_headers=headers)

    asyncio.run(main())
