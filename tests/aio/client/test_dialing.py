"""Hosts with several addresses, on both event loops: each is tried, and none holds up the rest."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import name_addresses
from support.rawpeer import address, echo, serving, until

import wscore
from wscore.aio.client.dialing import DELAY, _interleaved, on_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[Any], Any]
    Patch = pytest.MonkeyPatch

URI = "ws://a.example/"


@pytest.fixture
def refusing() -> Iterator[tuple[str, int]]:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that does not answer: its queue of connections is full."""
    with silent_address() as found:
        yield found


@contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listening,
        socket.socket() as first,
        socket.socket() as second,
    ):
        for sock in (first, second):  # PyPy's backlog has room for two
            sock.setblocking(False)
            sock.connect_ex(listening.getsockname())
        yield listening.getsockname()


async def reached(**options: Any) -> bool:
    async with wscore.connect(URI, **options) as ws:
        await ws.send("there")
        return await ws.recv() == "there"


@pytest.mark.parametrize("delay", [None, 0, DELAY])
def test_the_next_address_after_one_that_refuses(
    run: Run, monkeypatch: Patch, refusing: Any, delay: float | None
) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            known = [refusing, refusing, address(server)]
            name_addresses(monkeypatch, {"a.example": known})
            assert await reached(happy_eyeballs_delay=delay)

    run(main())


def test_the_next_address_while_one_is_silent(run: Run, monkeypatch: Patch, silent: Any) -> None:
    """By default, too: without it the silent one takes all the time of the handshake."""

    async def main() -> None:
        async with serving(echo) as server:
            name_addresses(monkeypatch, {"a.example": [silent, silent, address(server)]})
            assert await reached()
            assert await reached(happy_eyeballs_delay=0.001)
            # Addresses that refuse do not wait for the delay.
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                known = [sock.getsockname()] * 30 + [address(server)]
                name_addresses(monkeypatch, {"a.example": known})
                assert await reached(happy_eyeballs_delay=3600)

    run(main())


def test_a_slow_address_may_still_be_the_one(run: Run, monkeypatch: Patch, refusing: Any) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            name_addresses(monkeypatch, {"a.example": [address(server), refusing]})
            assert await reached(happy_eyeballs_delay=0)

    run(main())


def test_all_addresses_fail(run: Run, monkeypatch: Patch, refusing: Any) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            other = sock.getsockname()
            name_addresses(monkeypatch, {"a.example": [refusing, other]})
            with pytest.raises(ConnectionRefusedError) as caught:
                await wscore.connect(URI)
            assert str(refusing[1]) in str(caught.value)
            assert str(other[1]) in str(caught.value)
            name_addresses(monkeypatch, {"a.example": [refusing, ("192.0.2.1", 0)]})
            with pytest.raises(OSError, match="no address could be connected to"):
                await wscore.connect(URI, happy_eyeballs_delay=None)

    run(main())


def test_all_errors(run: Run, monkeypatch: Patch, refusing: Any) -> None:
    async def main() -> None:
        name_addresses(monkeypatch, {"a.example": [refusing, refusing]})
        if sys.version_info < (3, 12):
            with pytest.raises(TypeError, match="needs Python"):
                await wscore.connect(URI, all_errors=True)
            return
        with pytest.raises(Exception, match="no address") as caught:
            await wscore.connect(URI, all_errors=True)
        errors: Any = caught.value
        assert [type(error) for error in errors.exceptions] == [ConnectionRefusedError] * 2

    run(main())


def test_a_name_without_addresses(run: Run, monkeypatch: Patch) -> None:
    async def main() -> None:
        with pytest.raises(OSError):  # noqa: PT011 each loop has a text of its own
            await wscore.connect("ws://nowhere.invalid/")

    run(main())


def test_attempts_end_with_the_client(run: Run, monkeypatch: Patch, silent: Any) -> None:
    async def main() -> None:
        name_addresses(monkeypatch, {"a.example": [silent] * 3})
        with pytest.raises(TimeoutError, match="took too long"):
            await wscore.connect(URI, happy_eyeballs_delay=0, open_timeout=0.05)
        attempt = asyncio.ensure_future(reached(happy_eyeballs_delay=0))
        await asyncio.sleep(0.01)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    run(main())


def test_a_local_address(run: Run, monkeypatch: Patch, refusing: Any) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            name_addresses(monkeypatch, {"a.example": [refusing, address(server)]})
            async with wscore.connect(URI, local_addr=("127.0.0.1", 0)) as ws:
                assert ws.local_address[0] == "127.0.0.1"
            with pytest.raises(OSError, match="the local address is of another family"):
                await wscore.connect(URI, local_addr=("::1", 0))

    run(main())


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_proxies_have_several_addresses_too(
    run: Run, monkeypatch: Patch, refusing: Any, scheme: str
) -> None:
    """They are reached in the same way; what they answer is for the tests of proxies."""

    async def main() -> None:
        asked = asyncio.Event()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            asked.set()
            writer.close()

        proxy = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        known = [refusing, proxy.sockets[0].getsockname()]
        name_addresses(monkeypatch, {"proxy.example": known})
        with pytest.raises(wscore.ProxyError):
            await wscore.connect(URI, proxy=f"{scheme}://proxy.example")
        assert asked.is_set()
        proxy.close()

    run(main())


def test_tls_over_the_address_that_answers(
    run: Run,
    monkeypatch: Patch,
    refusing: Any,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            name_addresses(monkeypatch, {"localhost": [refusing, address(server)]})
            async with wscore.connect("wss://localhost/", ssl=client_tls) as ws:
                await ws.send("over TLS")
                assert await ws.recv() == "over TLS"
            with pytest.raises(ssl.SSLCertVerificationError):
                await wscore.connect(
                    "wss://localhost/", ssl=client_tls, server_hostname="other.example"
                )

    run(main())


def test_a_name_that_tls_cannot_have_leaves_nothing_open(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            kept = None
            try:
                await wscore.connect(
                    "wss://localhost:{1}/".format(*address(server)), ssl=client_tls, proxy=None,
                    server_hostname="a." * 130,
                )  # fmt: skip
            except ssl.SSLError as error:
                kept = error  # with all that its traceback keeps
            assert kept is not None
            await until(lambda: server.stats.connections == 0)

    run(main())


@pytest.mark.parametrize("ssl_", [False, True])
def test_a_protocol_that_cannot_be_made_leaves_nothing_open(
    run: Run, client_tls: ssl.SSLContext, ssl_: bool
) -> None:
    def fail() -> asyncio.Protocol:
        raise ZeroDivisionError

    async def main() -> None:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            other.settimeout(20)
            tls = {"ssl": client_tls, "server_hostname": "localhost"} if ssl_ else {}
            with pytest.raises(ZeroDivisionError):
                await on_socket(one, fail, tls)
            assert other.recv(1) == b""

    run(main())


V4, V6 = socket.AF_INET, socket.AF_INET6


# asyncio's server of Python 3.10 does not close what fails in the handshake, and warns of itself.
@pytest.mark.filterwarnings(r"ignore:unclosed transport <asyncio\.sslproto:ResourceWarning")
def test_cancelled_when_tls_has_begun(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """The descriptor is free for others, and nothing of the loop is left on it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        class Cancelling(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport
                task.cancel()

        async with serving(echo, ssl=server_tls) as server:
            sock = socket.create_connection(address(server))
            sock.setblocking(False)
            number = sock.fileno()
            with pytest.raises(asyncio.CancelledError):
                await on_socket(
                    sock, Cancelling, {"ssl": client_tls, "server_hostname": "localhost"}
                )
            if hasattr(task, "uncancel"):
                task.uncancel()
            while True:  # uvloop closes it a turn later
                try:
                    os.fstat(number)
                except OSError:
                    break
                await asyncio.sleep(0)
            one, other = socket.socketpair()
            with one, other:
                assert one.fileno() == number
                loop.add_reader(one, print)  # refused on a descriptor that a transport has
                loop.remove_reader(one)

    run(main())


@pytest.mark.parametrize(
    ("first", "families"),
    [
        (None, [V6, V6, V6, V4, V4]),
        (1, [V6, V4, V6, V4, V6]),
        (2, [V6, V6, V4, V6, V4]),
        (9, [V6, V6, V6, V4, V4]),
    ],
)
def test_families_take_turns(first: int | None, families: list[int]) -> None:
    found = [(family, 0, 0, "", n) for n, family in enumerate([V6, V6, V6, V4, V4])]
    mixed = _interleaved(found, first)
    assert [info[0] for info in mixed] == families
    assert sorted(mixed) == sorted(found)
    for family in (V4, V6):
        order = [info[4] for info in mixed if info[0] == family]
        assert order == sorted(order)


# Zones and the dot of the root -------------------------------------------------------------------


def test_the_zone_of_an_address(run: Run) -> None:
    async def main() -> None:
        async with wscore.serve(echo, "::1", 0) as server:
            port = address(server)[1]
            async with wscore.connect(f"ws://[::1%251]:{port}/") as ws:
                assert ws.request is not None
                assert ws.request.headers["Host"] == f"[::1]:{port}"

    run(main())


@pytest.mark.parametrize(
    ("host", "options", "name"),
    [
        ("localhost", {}, "localhost"),
        ("localhost.", {}, "localhost"),
        ("other.example", {"server_hostname": "localhost."}, "localhost"),
        ("127.0.0.1", {}, None),
    ],
)
def test_the_name_that_tls_gets(
    run: Run,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    host: str,
    options: dict[str, Any],
    name: str | None,
) -> None:
    seen: list[str | None] = []
    server_tls.sni_callback = lambda sock, name, context: seen.append(name)

    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            port = address(server)[1]
            uri = f"wss://{host}:{port}/"
            async with wscore.connect(uri, host="127.0.0.1", ssl=client_tls, **options) as ws:
                assert ws.request is not None
                assert ws.request.headers["Host"] == f"{host}:{port}"
        assert seen == [name]

    run(main())


def test_options_name_hosts_as_uris_do() -> None:
    """Python would have written "fass"."""
    where = wscore.connect(
        "wss://a.example/", host="faß.example", server_hostname="faß.example."
    )._where
    assert where["host"] == where["server_hostname"] == "xn--fa-hia.example"
    for option in ("host", "server_hostname"):
        wrong: Any = {option: "ü..a"}
        with pytest.raises(ValueError, match=f"^{option}: malformed host"):
            wscore.connect("wss://a.example/", **wrong)
