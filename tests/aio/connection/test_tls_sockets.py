"""TLS of our own over real sockets: what peers do that is wrong, or slow, or too much."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import address, echo, serving, until

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[Any], Any]


def client_hello(context: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    made = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        made.do_handshake()
    return outgoing.read()


# Errors of the handshake, which have to be those of the event loop --------------------------------


@contextlib.contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server by the ssl module, for two connections that come to nothing."""

    def serve() -> None:
        for _ in range(2):
            sock, _ = listening.accept()
            with sock, contextlib.suppress(OSError):
                context.wrap_socket(sock, server_side=True).recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


async def error_of_connecting(port: int, **options: Any) -> tuple[Any, ...]:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which is what is asked
        async with wscore.connect(f"wss://127.0.0.1:{port}/", proxy=None, **options):
            pass
    error = raised.value
    told = (getattr(error, name, None) for name in ("reason", "library", "verify_code"))
    return type(error), str(error), *told


def not_trusted(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    return {"ssl": ssl.create_default_context()}


def of_another_name(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    return {"ssl": client, "server_hostname": "another.example"}


def of_no_common_version(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    return {"ssl": client}


def of_no_common_cipher(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
    client.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384")
    return {"ssl": client}


def without_a_certificate(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    server.verify_mode = ssl.CERT_REQUIRED
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    return {"ssl": client}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (not_trusted, ssl.SSLCertVerificationError),
        (of_another_name, ssl.SSLCertVerificationError),
        (of_no_common_version, ssl.SSLError),
        (of_no_common_cipher, ssl.SSLError),
        (without_a_certificate, ssl.SSLError),
    ],
)
def test_errors_of_the_handshake_are_those_of_asyncio(
    run: Run,
    own: None,
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    spoil: Any,
    expected: type,
) -> None:
    options = spoil(server_tls, client_tls)
    told: list[Any] = []

    async def main() -> None:
        told.append(await error_of_connecting(port, **options))

    with refusing(server_tls) as port:
        run(main())
        monkeypatch.setenv("WSCORE_TRANSPORT", "asyncio")
        run(main())
    ours, of_the_loop = told
    assert ours == of_the_loop
    assert ours[0] is expected


# Floods in the handshake --------------------------------------------------------------------------


def in_single_bytes(hello: bytes) -> list[bytes]:
    return [hello[i : i + 1] for i in range(len(hello))]


def garbage(hello: bytes) -> list[bytes]:
    return [bytes(range(256)) * 4000]


def garbage_after_the_hello(hello: bytes) -> list[bytes]:
    return [hello, b"\xff" * 500_000]


def a_record_that_is_too_long(hello: bytes) -> list[bytes]:
    return [b"\x16\x03\x01\xff\xff" + bytes(0xFFFF)]


def a_hello_without_end(hello: bytes) -> list[bytes]:
    """A message of 16 MiB less one, in records of 16 KiB."""
    record = b"\x16\x03\x01\x40\x00"
    return [record + b"\x01\xff\xff\xff" + bytes(16380), *([record + bytes(16384)] * 60)]


def alerts_without_end(hello: bytes) -> list[bytes]:
    return [b"\x15\x03\x01\x00\x02\x01\x5a" * 50_000]


@pytest.mark.parametrize(
    "flood",
    [
        garbage,
        garbage_after_the_hello,
        a_record_that_is_too_long,
        a_hello_without_end,
        alerts_without_end,
    ],
)
def test_a_flood_in_the_handshake_ends_its_connection_and_no_other(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, flood: Any
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls, open_timeout=60) as server:
            where = f"wss://localhost:{address(server)[1]}/"
            async with wscore.connect(where, ssl=client_tls, proxy=None) as ws:
                reader, writer = await asyncio.open_connection(*address(server))
                for piece in flood(client_hello(client_tls)):
                    writer.write(piece)
                await until(lambda: server.stats.handshakes_refused == {"abandoned": 1})
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
                await ws.send("still there")
                assert await ws.recv() == "still there"

    run(main())


def test_a_hello_in_single_bytes_is_answered(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls, open_timeout=60) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in in_single_bytes(client_hello(client_tls)):
                writer.write(piece)
                await asyncio.sleep(0)
            assert (await reader.readexactly(3))[:2] == b"\x16\x03"  # a server hello
            writer.close()

    run(main())


# Buffers of any size ------------------------------------------------------------------------------


def with_tiny_buffers(port: int) -> socket.socket:
    """The smallest that the system has."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("make", [with_tiny_buffers, None], ids=["tiny", "usual"])
def test_both_ends_full_at_once_go_on_as_soon_as_both_read(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, make: Any
) -> None:
    """Neither end may wait with reading for its own writing."""
    message, count = bytes(range(256)) * 1024, 8 if make else 60

    async def talk(ws: wscore.Connection) -> None:
        async def write() -> None:
            for _ in range(count):
                await ws.send(message)

        async def read() -> None:
            for _ in range(count):
                assert await ws.recv() == message

        await asyncio.gather(write(), read())

    async def main() -> None:
        ended = asyncio.Event()

        async def handler(ws: wscore.Connection) -> None:
            await talk(ws)
            ended.set()
            await ws.wait_closed()

        async with serving(handler, ssl=server_tls, compression=None) as server:
            port = address(server)[1]
            given = {} if make is None else {"sock": make(port)}
            async with wscore.connect(
                f"wss://localhost:{port}/", ssl=client_tls, proxy=None, compression=None, **given
            ) as ws:
                await talk(ws)
                await ended.wait()

    run(main())
