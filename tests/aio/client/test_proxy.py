"""Through proxies: scripted ones that behave and that do not."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import set_default_tls
from support.rawpeer import address, echo, serving

import wscore
from wscore import InvalidProxyStatus, ProxyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]

GRANTED = b"HTTP/1.1 200 OK\r\n\r\n"
VARIABLES = ("ws", "wss", "socks", "http", "https", "all", "no")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


class HttpProxy:
    """Answers CONNECT with *answer*, then moves bytes if that grants it."""

    def __init__(self, answer: bytes = GRANTED, ends: bool = False) -> None:
        self.answer, self.ends = answer, ends
        self.heads: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.talk(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            writer.write(self.answer)
            if self.answer == GRANTED and not self.ends:
                host, _, port = head.split()[1].rpartition(":")
                there = await asyncio.open_connection(host.strip("[]"), int(port))
                await move_both_ways((reader, writer), there)
            elif not self.ends:
                await reader.read()


async def move_both_ways(one: Any, other: Any) -> None:
    async def move(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    try:
        await asyncio.gather(move(one[0], other[1]), move(other[0], one[1]))
    finally:
        other[1].close()
        with suppress(OSError):
            await other[1].wait_closed()


@asynccontextmanager
async def proxying(proxy: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[Any]:
    def accepted(*streams: Any) -> None:
        proxy.tasks.append(asyncio.ensure_future(proxy.serve(*streams)))

    listening = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    proxy.url = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
    try:
        yield proxy
    finally:
        listening.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
        await listening.wait_closed()


async def check(where: str, **options: Any) -> None:
    async with wscore.connect(where, **options) as ws:
        await ws.send("through")
        assert await ws.recv() == "through"


# HTTP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", ["", "me:p%40ss@"])
def test_connect(run: Run, credentials: str) -> None:
    async def main() -> None:
        async with serving(echo) as server, proxying(HttpProxy()) as proxy:
            host, port = address(server)
            url = proxy.url.replace("//", f"//{credentials}")
            await check(f"ws://{host}:{port}/", proxy=url)
            [head] = proxy.heads
            assert head.startswith(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n")
            authorization = base64.b64encode(b"me:p@ss").decode()
            assert (f"Proxy-Authorization: Basic {authorization}" in head) is bool(credentials)

    run(main())


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_tls_to_the_server_is_checked_against_its_name(
    run: Run,
    secure_proxy: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The proxy's own certificate is checked with the system's defaults.
    set_default_tls(monkeypatch, client_tls)
    if secure_proxy and sys.version_info < (3, 11):
        pytest.skip("asyncio of CPython 3.10 has no TLS within TLS")

    async def main() -> None:
        tls = server_tls if secure_proxy else None
        async with serving(echo, ssl=server_tls) as server, proxying(HttpProxy(), tls) as proxy:
            port = address(server)[1]
            await check(
                f"wss://localhost:{port}/",
                proxy=proxy.url,
                ssl=client_tls,
                ssl_handshake_timeout=20,
            )
            if secure_proxy:
                return  # asyncio of CPython 3.11 fails as it should, but logs an error of its own
            with pytest.raises(ssl.SSLCertVerificationError):
                await check(
                    f"wss://127.0.0.1:{port}/",
                    proxy=proxy.url, ssl=client_tls, server_hostname="other.example",
                )  # fmt: skip

    run(main())


def test_tls_with_the_proxy_has_options_of_its_own(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo) as server, proxying(HttpProxy(), server_tls) as proxy:
            host, port = address(server)
            where = f"ws://{host}:{port}/"
            with pytest.raises(ssl.SSLCertVerificationError):
                await check(where, proxy=proxy.url)
            await check(where, proxy=proxy.url, proxy_ssl=client_tls)
            options: dict[str, Any] = {"proxy": proxy.url, "proxy_ssl": client_tls}
            with pytest.raises(ssl.SSLCertVerificationError):
                await check(where, **options, proxy_server_hostname="other.example")
            await check(where, **options, proxy_server_hostname="LOCALHOST.")
            [head, *_] = proxy.heads
            assert "User-Agent" in head
            await check(where, **options, user_agent_header=None, proxy_ssl_handshake_timeout=20)
            assert "User-Agent" not in proxy.heads[-1]

    run(main())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "socks5h://127.0.0.1:1"])
def test_options_of_tls_are_for_https_proxies(
    run: Run, client_tls: ssl.SSLContext, url: str
) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="proxy_ssl is for https proxies"):
            await wscore.connect("ws://a.example/", proxy=url, proxy_ssl=client_tls)

    run(main())


@pytest.mark.parametrize("status", [301, 403, 407, 502])
def test_a_proxy_that_refuses(run: Run, status: int) -> None:
    answer = b"HTTP/1.1 %d No\r\nContent-Length: 3\r\nLocation: /x\r\n\r\nwhy" % status

    async def main() -> None:
        async with proxying(HttpProxy(answer)) as proxy:
            with pytest.raises(InvalidProxyStatus) as caught:
                await wscore.connect(
                    "ws://a.example/", proxy=proxy.url.replace("//", "//me:secret@")
                )
        assert (caught.value.status, caught.value.response.body) == (status, b"why")
        assert "secret" not in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        (b"", True),
        (b"HTTP/1.1 200", True),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, False),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching", False),
    ],
    ids=["ends", "ends in the head", "no HTTP", "endless", "speaks for the server"],
)
def test_a_proxy_that_is_no_good(run: Run, answer: bytes, ends: bool) -> None:
    async def main() -> None:
        async with proxying(HttpProxy(answer, ends)) as proxy:
            with pytest.raises(ProxyError):
                await wscore.connect("ws://a.example/", proxy=proxy.url)

    run(main())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_silent_proxy(run: Run, answer: bytes) -> None:
    async def main() -> None:
        async with proxying(HttpProxy(answer)) as proxy:
            with pytest.raises(TimeoutError, match="took too long"):
                await wscore.connect("ws://a.example/", proxy=proxy.url, open_timeout=0.1)

    run(main())


def test_a_tunnel_that_ends_at_once(run: Run) -> None:
    async def main() -> None:
        async with proxying(HttpProxy(ends=True)) as proxy:
            with pytest.raises((wscore.InvalidHandshake, OSError)):
                await wscore.connect("ws://a.example/", proxy=proxy.url)

    run(main())


def test_no_proxy_there(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await wscore.connect("ws://a.example/", proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(ConnectionError):
            await wscore.connect("ws://a.example/", proxy=f"socks5://127.0.0.1:{port}")

    run(main())


# SOCKS -----------------------------------------------------------------------------------------


class SocksProxy(HttpProxy):
    """SOCKS5 (RFC 1928), with a password when *password* is given."""

    def __init__(self, password: bytes | None = None, reply: int = 0) -> None:
        super().__init__()
        self.password, self.reply = password, reply
        self.targets: list[tuple[str, int]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self.take_order(reader, writer)

    async def take_order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\5\2" if self.password is not None else b"\5\0")
        if self.password is not None:
            _, size = await reader.readexactly(2)
            await reader.readexactly(size)
            [size] = await reader.readexactly(1)
            right = await reader.readexactly(size) == self.password
            writer.write(b"\1\0" if right else b"\1\1")
            if not right:
                return
        *_, kind = await reader.readexactly(4)
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        name = await reader.readexactly(size)
        host = socket.inet_ntoa(name) if kind == 1 else name.decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.targets.append((host, port))
        writer.write(bytes([5, self.reply, 0, 1]) + bytes(6))
        if not self.reply:
            await move_both_ways((reader, writer), await asyncio.open_connection(host, port))


@pytest.mark.parametrize(("scheme", "looks_up"), [("socks5", False), ("socks5h", True)])
@pytest.mark.parametrize("secure", [False, True])
def test_socks(
    run: Run, scheme: str, looks_up: bool, secure: bool, server_tls: Any, client_tls: Any
) -> None:
    async def main() -> None:
        options = {"ssl": server_tls} if secure else {}
        async with serving(echo, **options) as server, proxying(SocksProxy(b"word")) as proxy:
            port = address(server)[1]
            url = proxy.url.replace("http://", f"{scheme}://me:word@")
            await check(
                f"{'wss' if secure else 'ws'}://localhost:{port}/",
                proxy=url, ssl=client_tls if secure else None,
            )  # fmt: skip
            [(host, _)] = proxy.targets
            assert (host == "localhost") is looks_up

    run(main())


@pytest.mark.parametrize(("password", "reply"), [(b"other", 0), (None, 2)])
def test_a_socks_proxy_that_refuses(run: Run, password: Any, reply: int) -> None:
    async def main() -> None:
        async with proxying(SocksProxy(password, reply)) as proxy:
            url = proxy.url.replace("http://", "socks5h://me:secret@")
            with pytest.raises(ProxyError) as caught:
                await wscore.connect("ws://a.example/", proxy=url)
        assert "secret" not in f"{caught.value}{caught.value.__cause__}"

    run(main())


def test_without_python_socks_it_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "python_socks", None)

    async def main() -> None:
        with pytest.raises(ImportError, match=r"pip install 'wscore-engine\[socks\]'"):
            await wscore.connect("ws://a.example/", proxy="socks5://127.0.0.1:1")

    run(main())


# Which one -------------------------------------------------------------------------------------


def test_neither_sockets_nor_paths_go_through_a_proxy(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with wscore.unix_serve(echo, path), serving(echo) as server:
            async with wscore.unix_connect(path) as ws:
                await ws.send("x")
            sock = socket.create_connection(address(server))
            sock.setblocking(False)
            await check("ws://localhost/", sock=sock)
            with pytest.raises(ConnectionRefusedError):
                await check("ws://{}:{}/".format(*address(server)))

    run(main())
