"""Which target a client is connected to: its path says so, and nothing else that it sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.bridging import HERE, port_of, serving_to, target_server
from support.rawpeer import raw_connection, until

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_the_path_chooses_the_target(run: Run) -> None:
    async def main() -> None:
        async with (
            target_server() as one,
            target_server() as two,
            serving_to({"one": str(one), "two.x": str(two)}) as running,
        ):
            for path, target in (
                ("/one", one),
                ("/two.x", two),
                # A query is nobody's choice.
                ("/one?two.x", one),
                ("/one?target=two.x&token=/two.x", one),
            ):
                async with raw_connection(HERE, port_of(running), path):
                    await target.accept()
                    await until(lambda: sum(running.stats.connections.values()) == 1)
            assert running.stats.connections_opened == {"one": 3, "two.x": 1}

    run(main())


TRICKS = [
    "/", "/three", "//one", "/one/", "/./one", "/x/../one", "/one/../two", "/one/..", "/../one",
    "/%6fne", "/one%2f", "/%2fone", "/x%2f..%2fone", "/x/%2e%2e/one", "/one%2F..%2Ftwo", "/one%00",
    "/%00one", "/one%20", "/ONE", "/One", "/one;two", "/one:two", "/one\\..\\two", "/one%5ctwo",
    "/?one", "/?target=one", "/?/one", "/.one", "/one.", "/one,two", "/127.0.0.1:22",
    "/tcp://127.0.0.1:22", "/one@two", "/one=two", "/%252fone", "/one#two", "/one&two",
    "/one%0d%0aHost:%20two", "/..", "/.", "/one//", "/*", "one",
    "http://two/no", "ws://127.0.0.1:22/", "two:22", "*",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_no_other_path_leads_anywhere(run: Run, path: str) -> None:
    async def main() -> None:
        async with (
            target_server() as one,
            target_server() as two,
            serving_to({"one": str(one), "two": str(two)}) as running,
        ):
            with pytest.raises(AssertionError):
                async with raw_connection(HERE, port_of(running), path):
                    pass
            reader, writer = await asyncio.open_connection(HERE, port_of(running))
            writer.write(request_of(path))
            status = int((await reader.read()).split(b" ", 2)[1])
            writer.close()
            # What is no path at all is no HTTP either.
            is_path = path.startswith("/") and "#" not in path
            assert status in ((404,) if is_path else (400, 404))
            assert one.all == two.all == []

    run(main())


def request_of(path: str, *extra: str, host: str = "localhost") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *extra,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("where", ["http://two/one", "ws://127.0.0.1:22/one", "wss://two:22/one"])
def test_the_host_of_an_absolute_uri_leads_nowhere(run: Run, where: str) -> None:
    """Servers have to accept that form (RFC 9112 3.2.2): its path counts."""

    async def main() -> None:
        async with (
            target_server() as one,
            target_server() as two,
            serving_to({"one": str(one), "two": str(two)}) as running,
        ):
            async with raw_connection(HERE, port_of(running), where):
                await one.accept()
            assert two.all == []

    run(main())


@pytest.mark.parametrize("byte", ["\0", "\t", "\x7f", "\r", "\xe9"])
def test_bytes_that_are_in_no_path_are_refused(run: Run, byte: str) -> None:
    async def main() -> None:
        async with target_server() as one, serving_to({"one": str(one)}) as running:
            reader, writer = await asyncio.open_connection(HERE, port_of(running))
            writer.write(request_of(f"/one{byte}"))
            assert (await reader.read()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
            writer.close()
            assert not one.all

    run(main())


HEADERS = [
    "X-Forwarded-Host: two", "X-Forwarded-Path: /two", "X-Forwarded-Uri: /two",
    "X-Original-URL: /two", "X-Rewrite-URL: /two", "X-Forwarded-Prefix: /two", "X-Target: two",
    "Forwarded: host=two;path=/two", "X-Forwarded-For: 127.0.0.1:22", "Via: 1.1 two",
    "Sec-WebSocket-Protocol: two", "Cookie: target=two", "Referer: http://two/two",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_leads_anywhere(run: Run, header: str) -> None:
    async def main() -> None:
        async with target_server() as one, target_server() as two:
            to = {"one": str(one), "two": str(two)}
            async with serving_to(to, origins=[None]) as running:
                async with raw_connection(HERE, port_of(running), "/no", header, status=404):
                    pass
                async with raw_connection(HERE, port_of(running), "/one", header):
                    await one.accept()
                assert two.all == []

    run(main())


@pytest.mark.parametrize("host", ["two", "two:22", "127.0.0.1:22", "one/two"])
@pytest.mark.parametrize(("path", "status"), [("/one", 101), ("/no", 404)])
def test_the_host_leads_nowhere(run: Run, host: str, path: str, status: int) -> None:
    async def main() -> None:
        async with (
            target_server() as one,
            target_server() as two,
            serving_to({"one": str(one), "two": str(two)}) as running,
        ):
            reader, writer = await asyncio.open_connection(HERE, port_of(running))
            writer.write(request_of(path, host=host))
            answer = await reader.readuntil(b"\r\n")
            if status == 101 and answer.startswith(b"HTTP/1.1 101"):
                await one.accept()
            else:
                assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
            writer.close()
            assert two.all == []

    run(main())


def test_one_target_is_there_for_every_path(run: Run) -> None:
    async def main() -> None:
        async with target_server() as target, serving_to(target) as running:
            for path in ("/", "/mqtt", "/a/b?c"):
                async with raw_connection(HERE, port_of(running), path):
                    await target.accept()

    run(main())
