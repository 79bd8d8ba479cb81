"""The TLS context that clients share; certificates and versions are in aio/test_tls."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import set_default_tls
from support.rawpeer import address, echo, serving

import wscore
from wscore.aio.client.tls import default_tls
from wscore.aio.connection.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Which threads have made a context, from now on."""
    threads = []
    create = ssl.create_default_context

    def counted(**options: object) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return create(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    set_default_tls(monkeypatch, None)
    return threads


def test_a_cancelled_client_waits_for_no_end_of_tls(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    made = Wire.connection_made

    def cancelled(wire: Wire, transport: asyncio.BaseTransport) -> None:
        made(wire, transport)
        task.cancel()

    def serve(listening: socket.socket) -> None:
        """Take part in the beginning of TLS, but not in its end."""
        accepted, _ = listening.accept()
        # The client may be gone before we have begun.
        with accepted, suppress(ConnectionError, ssl.SSLError):
            with server_tls.wrap_socket(accepted, server_side=True) as secured:
                stream = socket.socket(fileno=secured.detach())
            with stream:
                stream.settimeout(10)
                while stream.recv(4096):
                    pass

    async def main() -> None:
        nonlocal task
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.ensure_future(asyncio.to_thread(serve, listening))
            task = asyncio.ensure_future(connect(f"wss://127.0.0.1:{listening.getsockname()[1]}/"))
            await asyncio.wait([task])
            assert task.cancelled()
            await serving

    async def connect(uri: str) -> wscore.ClientConnection:
        return await wscore.connect(uri, ssl=client_tls, open_timeout=None)

    monkeypatch.setattr(Wire, "connection_made", cancelled)
    task: asyncio.Future[Any]
    run(main())


def test_many_clients_read_the_certificates_once_and_not_on_the_loop(
    run: Run, made: list[threading.Thread], server_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            uri = f"wss://localhost:{address(server)[1]}/"
            clients = (wscore.connect(uri).__aenter__() for _ in range(10))
            errors = await asyncio.gather(*clients, return_exceptions=True)
            # It was used: nobody told it of the server's certificate.
            assert {type(error) for error in errors} == {ssl.SSLCertVerificationError}

    run(main())
    [thread] = made
    assert thread is not threading.main_thread()


@pytest.mark.parametrize("given", [{}, {"ssl": None}, {"ssl": True}])
def test_it_stands_in_for_a_context(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    given: dict[str, Any],
) -> None:
    set_default_tls(monkeypatch, client_tls)

    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            uri = f"wss://localhost:{address(server)[1]}/"
            async with wscore.connect(uri, **given) as ws:
                assert ws.transport.get_extra_info("sslcontext") is client_tls

    run(main())


def test_it_is_a_safe_one(run: Run, made: list[threading.Thread]) -> None:
    async def main() -> None:
        context = await default_tls()
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert await default_tls() is context

    run(main())


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_whatever_the_system_starts_with(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    least: ssl.TLSVersion,
    expected: ssl.TLSVersion,
) -> None:
    systems = ssl.create_default_context()
    systems.minimum_version = least
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: systems)
    set_default_tls(monkeypatch, None)

    async def main() -> None:
        assert (await default_tls()).minimum_version is expected

    run(main())
