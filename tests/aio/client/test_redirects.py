"""`connect` follows redirections, within limits, and takes no secrets along."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import set_default_tls
from support.rawpeer import RawPeer, address, echo, raw_server, serving, uri

import wscore
from wscore import InvalidRedirect, InvalidStatus
from wscore.aio.client.opening import ClientOpening

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def redirecting(location: str, status: int = 307) -> Any:
    def process_request(connection: Any, request: Any) -> Any:
        if request.path.startswith("/away"):
            return connection.respond(status, "", {"Location": location})
        return None

    return process_request


def test_a_relative_redirection(run: Run) -> None:
    async def main() -> None:
        process = redirecting("../here?x=1", 301)
        async with (
            serving(echo, process_request=process) as server,
            wscore.connect(uri(server, "/away/there")) as ws,
        ):
            assert ws.request is not None
            assert ws.request.path == "/here?x=1"

    run(main())


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_secrets_do_not_go_to_another_origin(run: Run, status: int) -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Mine": "yes"}

    async def main() -> None:
        async with serving(echo) as target:
            process = redirecting(uri(target, "/new"), status)
            async with serving(echo, process_request=process) as server:
                where = uri(server, "/away").replace("//", "//me:word@")
                async with wscore.connect(where, additional_headers=headers) as ws:
                    request = ws.request
                    assert request is not None
                    assert request.path == "/new"
                    assert request.headers["Host"] == "{}:{}".format(*address(target))
                    assert request.headers["X-Mine"] == "yes"
                    assert not {"Authorization", "Cookie"} & set(map(str.title, request.headers))

    run(main())


def test_secrets_stay_within_the_origin(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, origins=[None], process_request=redirecting("/new")) as server:
            where = uri(server, "/away").replace("//", "//me:word@")
            async with wscore.connect(where, additional_headers={"Cookie": "a=b"}) as ws:
                assert ws.request is not None
                assert ws.request.path == "/new"
                assert ws.request.headers["Cookie"] == "a=b"
                assert ws.request.headers["Authorization"].startswith("Basic ")

    run(main())


@pytest.mark.parametrize("hops", [10, 11])
def test_ten_redirections_at_most(run: Run, hops: int) -> None:
    asked: list[str] = []

    def process_request(connection: Any, request: Any) -> Any:
        asked.append(request.path)
        if len(asked) <= hops:
            return connection.respond(302, "", {"Location": f"/{len(asked)}"})
        return None

    async def main() -> None:
        async with serving(echo, process_request=process_request) as server:
            if hops == 10:
                async with wscore.connect(uri(server)):
                    pass
                return
            with pytest.raises(InvalidRedirect, match="there were 10 before"):
                await wscore.connect(uri(server))
        assert len(asked) == 11

    run(main())


def test_from_plain_to_tls_but_not_back(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, monkeypatch: Any
) -> None:
    set_default_tls(monkeypatch, client_tls)

    async def main() -> None:
        async with serving(echo, ssl=server_tls) as secure:
            to_tls = f"wss://localhost:{address(secure)[1]}/"
            async with serving(echo, process_request=redirecting(to_tls)) as plain:
                async with wscore.connect(uri(plain, "/away")) as ws:
                    await ws.send("over TLS")
                    assert await ws.recv() == "over TLS"
                    assert ws.transport.get_extra_info("ssl_object") is not None
                back = redirecting(uri(plain))
                async with serving(echo, ssl=server_tls, process_request=back) as server:
                    with pytest.raises(InvalidRedirect, match="from wss to ws"):
                        await wscore.connect(f"wss://localhost:{address(server)[1]}/away")

    run(main())


@pytest.mark.parametrize("option", ["host", "port", "path"])
def test_an_address_of_the_callers_does_not_lead_elsewhere(
    run: Run, option: str, tmp_path: Any
) -> None:
    async def main() -> None:
        process = redirecting("ws://elsewhere.example/")
        path = str(tmp_path / "socket")
        async with (
            serving(echo, process_request=process) as server,
            wscore.unix_serve(echo, path, process_request=process),
        ):
            host, port = address(server)
            where: dict[str, Any] = {"host": host, "port": port, "path": path}
            url = "ws://localhost/away" if option == "path" else uri(server, "/away")
            with pytest.raises(InvalidRedirect, match="the address that was given"):
                await wscore.connect(url, **{option: where[option]})

    run(main())


@pytest.mark.parametrize("status", [302, 403, 503])
def test_a_refusal_is_told_though_its_body_is_withheld(run: Run, status: int) -> None:
    async def refuse(peer: RawPeer) -> None:
        peer.write(b"HTTP/1.1 %d No\r\nContent-Length: 10\r\n\r\nhalf" % status)
        await peer.reader.read()

    async def main() -> None:
        async with raw_server(refuse, shake=False) as server:
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(server.uri, open_timeout=0.3)
            assert (caught.value.status, caught.value.response.body) == (status, b"half")

    run(main())


def test_all_redirections_together_have_one_open_timeout(run: Run) -> None:
    async def slow(connection: Any, request: Any) -> Any:
        await asyncio.sleep(0.05)
        return connection.respond(302, "", {"Location": "/"})

    async def main() -> None:
        async with serving(echo, process_request=slow) as server:
            with pytest.raises(TimeoutError):
                await wscore.connect(uri(server), open_timeout=0.12)

    run(main())


@pytest.mark.parametrize(("status", "error"), [(302, TimeoutError), (403, InvalidStatus)])
def test_a_redirection_that_comes_too_late_to_be_followed(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    """It is an answer, and no refusal: whoever connected has run out of time."""
    shake_hands = ClientOpening.shake_hands

    async def slowly(*given: Any) -> None:
        try:
            await shake_hands(*given)
        finally:
            await asyncio.sleep(10)

    monkeypatch.setattr(ClientOpening, "shake_hands", slowly)

    async def main() -> None:
        async with serving(echo, process_request=redirecting("/new", status)) as server:
            with pytest.raises(error):
                await wscore.connect(uri(server, "/away"), open_timeout=0.3)

    run(main())


def test_a_socket_serves_one_address(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, process_request=redirecting("/new")) as server:
            sock = socket.create_connection(address(server))
            sock.setblocking(False)
            with pytest.raises(InvalidRedirect, match="the socket that was given"):
                await wscore.connect(uri(server, "/away"), sock=sock)

    run(main())


def test_headers_are_sent_again_after_each_redirection(run: Run) -> None:
    headers = ((name, "yes") for name in ["X-Mine"])

    async def main() -> None:
        async with (
            serving(echo, process_request=redirecting("/new")) as server,
            wscore.connect(uri(server, "/away"), additional_headers=headers) as ws,
        ):
            assert ws.request is not None
            assert ws.request.headers["X-Mine"] == "yes"

    run(main())


def test_an_earlier_answer_is_no_refusal(run: Run) -> None:
    """A redirection leads to a server that says nothing: that is a timeout."""

    async def silent(peer: RawPeer) -> None:
        await peer.reader.read()

    async def main() -> None:
        async with (
            raw_server(silent, shake=False) as other,
            serving(echo, process_request=redirecting(other.uri)) as server,
        ):
            # Long enough for the second request, which `silent` has to get.
            with pytest.raises(TimeoutError):
                await wscore.connect(uri(server, "/away"), open_timeout=1)

    run(main())
