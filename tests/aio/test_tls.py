"""TLS in both roles: whose certificate is believed, and what silent peers cost."""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil
import socket
import ssl
import subprocess
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from support.rawpeer import Echo, address, echo, request, serving, until, until_closed, uri

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

AUTHORITY = trustme.CA()
LARGE = "äß€" * 500_000


def trusting(*, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """What a client has that believes the tests' authority."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


def presenting(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


SERVER = AUTHORITY.issue_cert("localhost")
CLIENT = AUTHORITY.issue_cert("client@a.example")


def where(server: wscore.Server) -> str:
    return f"wss://localhost:{address(server)[1]}/"


async def talk(uri: str, **options: Any) -> None:
    async with wscore.connect(uri, proxy=None, **options) as ws:
        await ws.send(LARGE)
        assert await ws.recv() == LARGE


# Certificates ----------------------------------------------------------------------------------


def test_large_messages(run: Run) -> None:
    async def main() -> None:
        options = {"max_size": None, "compression": None}
        async with serving(echo, ssl=presenting(SERVER), **options) as server:
            await talk(where(server), ssl=trusting(), **options)

    run(main())


LIMITS: list[Any] = [0, 1, (0, 0), (1, 1), (5000, 5000), (1 << 16, 0)]


@pytest.mark.parametrize("write_limit", LIMITS)
@pytest.mark.parametrize("handler", [echo, Echo], ids=["coroutine", "listener"])
@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "TCP"])
def test_sending_goes_on_with_small_write_limits(
    run: Run, write_limit: Any, handler: Any, tls: bool
) -> None:
    """TLS transports pause at the limit, others above it: with 0 they stayed paused."""
    sizes = [1, 5000, 100_000] * 5

    async def main() -> None:
        options = {"write_limit": write_limit, "compression": None}
        context = presenting(SERVER) if tls else None
        async with serving(handler, ssl=context, **options) as server:
            there = where(server) if tls else uri(server)
            trust = trusting() if tls else None
            async with wscore.connect(there, ssl=trust, proxy=None, **options) as ws:
                for size in sizes:
                    await ws.send(bytes(size))
                assert [len(await ws.recv()) for _ in sizes] == sizes
                await asyncio.gather(*(ws.send(bytes(size)) for size in sizes))
                assert [len(await ws.recv()) for _ in sizes] == sizes

    run(main())


EXPIRED = AUTHORITY.issue_cert(
    "localhost", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
)


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (AUTHORITY.issue_cert("other.example"), "mismatch"),
        (EXPIRED, "expired"),
        (trustme.CA().issue_cert("localhost"), "unable to get local issuer|self.signed"),
    ],
    ids=["another name", "expired", "nobody's"],
)
def test_certificates_that_are_not_believed(
    run: Run, certificate: trustme.LeafCert, why: str
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(certificate)) as server:
            with pytest.raises(ssl.SSLCertVerificationError, match=why):
                await talk(where(server), ssl=trusting())
            assert server.stats.handshakes_accepted == 0

    run(main())


def test_without_a_context_the_systems_authorities_count(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER)) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await talk(where(server))

    run(main())


@pytest.mark.parametrize("given", [True, False])
def test_a_server_may_ask_for_a_certificate(run: Run, given: bool) -> None:
    context = presenting(SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)

    async def whoami(ws: wscore.ServerConnection) -> None:
        found = ws.transport.get_extra_info("peercert")
        await ws.send(dict(found["subjectAltName"])["email"])

    async def main() -> None:
        async with serving(whoami, ssl=context) as server:
            client = trusting(certificate=CLIENT if given else None)
            if not given:
                # With TLS 1.3 the client learns of it only when it reads.
                with pytest.raises((ssl.SSLError, OSError, wscore.InvalidHandshake)):
                    await wscore.connect(where(server), ssl=client)
                return
            async with wscore.connect(where(server), ssl=client) as ws:
                assert await ws.recv() == "client@a.example"

    run(main())


def test_the_name_that_is_asked_for_can_be_chosen(run: Run) -> None:
    asked: list[str | None] = []
    context = presenting(SERVER)
    context.sni_callback = lambda sock, name, context: asked.append(name)

    async def main() -> None:
        async with serving(echo, ssl=context) as server:
            uri = f"wss://127.0.0.1:{address(server)[1]}/"
            async with wscore.connect(uri, ssl=trusting(), server_hostname="localhost"):
                pass

    run(main())
    assert asked == ["localhost"]


# Peers that do not play ------------------------------------------------------------------------


def test_a_client_that_is_silent_during_the_tls_handshake_is_dropped(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER), open_timeout=0.1) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_a_server_that_is_silent_during_the_tls_handshake(run: Run) -> None:
    async def main() -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            uri = "wss://{}:{}/".format(*listening.getsockname())
            with pytest.raises(TimeoutError, match="took too long"):
                await wscore.connect(uri, ssl=trusting(), open_timeout=0.1)

    run(main())


def test_plain_http_on_a_port_with_tls(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER)) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            writer.write(request())
            assert b"HTTP/1.1 101" not in await reader.read()
            writer.close()

    run(main())


def test_a_client_with_tls_at_a_plain_server(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            with pytest.raises((ssl.SSLError, OSError)):
                await wscore.connect(where(server), ssl=trusting())

    run(main())


def test_an_old_version_of_tls_is_refused(run: Run) -> None:
    old = trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    context = presenting(SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        async with serving(echo, ssl=context) as server:
            with pytest.raises((ssl.SSLError, OSError)):
                await wscore.connect(where(server), ssl=old)

    run(main())


@pytest.mark.parametrize("open_timeout", [0, 5, None])
def test_any_open_timeout_goes_with_tls(run: Run, open_timeout: Any) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER), open_timeout=open_timeout) as server:
            assert server.is_serving()

    run(main())


def test_closing_tells_the_client_over_tls(run: Run) -> None:
    async def main() -> None:
        async with serving(until_closed, ssl=presenting(SERVER)) as server:
            ws = await wscore.connect(where(server), ssl=trusting())
            server.close()
            with pytest.raises(wscore.ConnectionClosedOK) as caught:
                await ws.recv()
            assert caught.value.code == 1001

    run(main())


def test_openssl_talks_to_the_server(run: Run, tmp_path: Any) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        assert not os.environ.get("WSCORE_REQUIRE_OPENSSL"), "openssl is not installed"
        pytest.skip("openssl is not installed")
    authority = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))

    def ask(port: int) -> bytes:
        command = [
            *(openssl, "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof"),
            *("-verify_return_error", "-verify_hostname", "localhost"),
            *("-CAfile", str(authority)),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(request())
            process.stdin.flush()
            answer = process.stdout.readline()
            process.terminate()
        return answer

    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER)) as server:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(None, ask, address(server)[1])
            assert answer.startswith(b"HTTP/1.1 101 ")
            await loop.shutdown_default_executor()

    run(main())


# Addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fast path", "slow path"])
def test_addresses_outlive_the_connection(
    run: Run, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """asyncio's and uvloop's transports of TLS forget them."""
    served: list[wscore.Connection] = []

    async def keep(ws: wscore.Connection) -> None:
        served.append(ws)
        await ws.wait_closed()

    async def main() -> None:
        options = {} if how == "fast path" else {"process_request": lambda *_: None}
        async with serving(keep, ssl=presenting(SERVER), **options) as server:
            async with wscore.connect(where(server), ssl=trusting()) as ws:
                assert ws.remote_address == address(server)
                before = ws.remote_address, ws.local_address
                await until(lambda: served)
                assert (served[0].local_address, served[0].remote_address) == before
            await until(lambda: not server.connections)
            assert (ws.remote_address, ws.local_address) == before
            assert (served[0].local_address, served[0].remote_address) == before
        told = {
            record.websocket: record.remote_address  # type: ignore[attr-defined]
            for record in caplog.records
            if record.getMessage().startswith("connection closed")
        }
        assert told == {ws.id: before[0], served[0].id: before[1]}

    run(main())


def test_a_client_that_gives_up_is_logged_with_its_address(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=presenting(SERVER)) as server:
            _, writer = await asyncio.open_connection(
                *address(server), ssl=trusting(), server_hostname="localhost"
            )
            sockname = writer.get_extra_info("sockname")
            writer.close()
            await writer.wait_closed()
            await until(lambda: server.stats.handshakes_refused)
        [record] = [r for r in caplog.records if "abandoned" in r.getMessage()]
        assert record.remote_address == sockname  # type: ignore[attr-defined]

    run(main())


# Cookies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("origins", [None, ["https://a.example"]])
def test_cookies_without_origins_are_warned_of_once(
    run: Run, origins: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(echo, origins=origins) as server:
            port = address(server)[1]
            for headers in ({}, {"Cookie": "a=b"}, {"Cookie": "a=b"}):
                async with wscore.connect(
                    f"ws://127.0.0.1:{port}/",
                    origin="https://a.example",
                    additional_headers=headers,
                ):
                    pass

    run(main())
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == (origins is None)
    caplog.clear()
