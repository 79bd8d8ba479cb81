"""How a client connects, and how it fails to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.oracles import WireFrame
from support.rawpeer import TEXT, RawPeer, address, echo, raw_server, response, serving, until, uri

import wscore
from wscore import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


def test_the_context_closes_and_await_does_not(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            async with wscore.connect(uri(server)) as ws:
                assert ws.state is State.OPEN
            assert (ws.state, ws.close_code) == (State.CLOSED, 1000)
            ws = await wscore.connect(uri(server))
            assert ws.state is State.OPEN
            await ws.close()

    run(main())


@pytest.mark.parametrize("error", [None, LookupError, asyncio.CancelledError])
def test_an_exception_inside_the_context_closes_with_1011(
    run: Run, error: type[BaseException] | None
) -> None:
    codes: list[int | None] = []

    async def wait(ws: wscore.ServerConnection) -> None:
        await ws.wait_closed()
        codes.append(ws.close_code)

    async def main() -> None:
        async with serving(wait) as server:
            with suppress(LookupError, asyncio.CancelledError):
                async with wscore.connect(uri(server)):
                    if error is not None:
                        raise error
            await until(lambda: codes)
        assert codes == [1000 if error is None else 1011]

    run(main())


def test_a_context_is_entered_once_at_a_time(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            client = wscore.connect(uri(server))
            async with client as first:
                with pytest.raises(RuntimeError, match="entered already"):
                    await client.__aenter__()
            async with client as second:
                assert (first.state, second.state) == (State.CLOSED, State.OPEN)
        for _ in range(2):  # the server is gone
            with pytest.raises(ConnectionRefusedError):
                await client.__aenter__()

    run(main())


def test_none_given_is_none(run: Run) -> None:
    async def main() -> None:
        nothing: Any = {"subprotocols": None, "additional_headers": None, "origin": None}
        async with serving(echo) as server, wscore.connect(uri(server), **nothing) as ws:
            assert ws.request is not None
            assert not {"sec-websocket-protocol", "origin"} & set(ws.request.headers)

    run(main())


class OwnConnection(wscore.ClientConnection):
    """An application's, with an attribute."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = "me"


def test_a_connection_of_ones_own(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            makers: list[Any] = [OwnConnection, lambda wire: OwnConnection(wire)]
            for make in makers:
                async with wscore.connect(uri(server), create_connection=make) as ws:
                    assert isinstance(ws, OwnConnection)
                    assert ws.user == "me"
                    await ws.send("hello")
                    assert await ws.recv() == "hello"
            wrong: Any = lambda wire: wire  # noqa: E731
            with pytest.raises(TypeError, match="create_connection must be"):
                await wscore.connect(uri(server), create_connection=wrong)

    run(main())


def test_the_uri_of_a_unix_socket(
    run: Run, tmp_path: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with wscore.unix_serve(echo, path), wscore.unix_connect(path) as ws:
            assert ws.request is not None
            assert ws.request.headers["Host"] == "localhost"
        async with (
            wscore.unix_serve(echo, path, ssl=server_tls),
            wscore.unix_connect(path, ssl=client_tls) as ws,
        ):
            assert ws.transport.get_extra_info("ssl_object") is not None

    run(main())


def test_what_the_request_says(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            where = uri(server, "/a?b=c").replace("ws://", "ws://user:pass@")
            options = {"origin": "https://o.example", "additional_headers": {"X-A": "1"}}
            async with wscore.connect(where, user_agent_header="me", **options):
                [connection] = server.connections
                request = connection.request
            assert request.path == "/a?b=c"
            assert request.headers["Host"] == "{}:{}".format(*address(server))
            assert request.headers["Origin"] == "https://o.example"
            assert request.headers["X-A"] == "1"
            assert request.headers["User-Agent"] == "me"
            assert request.headers["Authorization"] == "Basic dXNlcjpwYXNz"

    run(main())


def test_host_and_port_may_be_others_than_the_uris(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            host, port = address(server)
            async with wscore.connect("ws://a.example/", host=host, port=port) as ws:
                assert ws.request.headers["Host"] == "a.example"
            sock = socket.create_connection((host, port))
            async with wscore.connect("ws://a.example/", sock=sock):
                pass

    run(main())


@pytest.mark.parametrize("wrong", ["http://a/", "ws://", "ws://a/#b", "wss://a:x/", ""])
def test_a_wrong_uri_is_refused_before_anything_is_sent(run: Run, wrong: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidURI):
            await wscore.connect(wrong)

    run(main())


def test_tls_options_are_for_wss(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="wss"):
            await wscore.connect("ws://127.0.0.1/", ssl=ssl.create_default_context())

    run(main())


def test_certificates_are_checked(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            port = address(server)[1]
            with pytest.raises(ssl.SSLCertVerificationError):
                await wscore.connect(f"wss://localhost:{port}/")
            with pytest.raises(ssl.SSLCertVerificationError):
                await wscore.connect(
                    f"wss://localhost:{port}/", ssl=client_tls, server_hostname="other.example"
                )
            async with wscore.connect(f"wss://127.0.0.1:{port}/", ssl=client_tls):
                pass

    run(main())


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            where = "ws://{}:{}".format(*sock.getsockname())
        with pytest.raises(ConnectionRefusedError):
            await wscore.connect(where)

    run(main())


# Answers of a server that is no good -------------------------------------------------------------


def _refusal(change: Callable[[bytes], bytes]) -> Callable[[RawPeer], Any]:
    async def answer(peer: RawPeer) -> None:
        peer.write(change(response(peer.head)))

    return answer


REFUSALS: dict[str, tuple[Callable[[bytes], bytes], type[Exception]]] = {
    "status": (lambda good: good.replace(b"101", b"200"), InvalidStatus),
    "accept": (lambda good: good.replace(b"Accept: ", b"Accept: A"), InvalidHeader),
    "no upgrade": (lambda good: good.replace(b"Upgrade: websocket\r\n", b""), InvalidUpgrade),
    "subprotocol": (lambda good: good[:-2] + b"Sec-WebSocket-Protocol: x\r\n\r\n",
                    NegotiationError),
    "extension": (lambda good: good[:-2] + b"Sec-WebSocket-Extensions: x\r\n\r\n",
                  NegotiationError),
    "no HTTP": (lambda good: b"SSH-2.0-OpenSSH_9.2\r\n", InvalidMessage),
    "bare LF": (lambda good: good.replace(b"\r\n", b"\n"), InvalidMessage),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_answer_is_refused(run: Run, name: str) -> None:
    change, error = REFUSALS[name]

    async def main() -> None:
        async with raw_server(_refusal(change), shake=False) as server:
            with pytest.raises(error) as caught:
                await wscore.connect(server.uri)
            assert isinstance(caught.value, InvalidHandshake)

    run(main())


def test_the_body_of_a_refusal_is_kept(run: Run) -> None:
    async def refuse(peer: RawPeer) -> None:
        peer.write(b"HTTP/1.1 403 No\r\nX-Why: because\r\n\r\nnot you")

    async def main() -> None:
        async with raw_server(refuse, shake=False) as server:
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(server.uri)
        assert caught.value.status == 403
        assert caught.value.response.headers["X-Why"] == "because"
        assert caught.value.response.body == b"not you"

    run(main())


@pytest.mark.parametrize("how", ["ends", "is reset"])
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 101 Switching"])
def test_a_stream_that_ends_during_the_handshake(run: Run, how: str, after: bytes) -> None:
    async def leave(peer: RawPeer) -> None:
        peer.write(after)
        await peer.writer.drain()
        if how == "is reset":
            peer.reset()

    async def main() -> None:
        async with raw_server(leave, shake=False) as server:
            with pytest.raises((InvalidHandshake, OSError)):
                await wscore.connect(server.uri)

    run(main())


@pytest.mark.parametrize("drips", [False, True])
def test_open_timeout(run: Run, drips: bool) -> None:
    """Neither a silent server nor one that sends a byte now and then keeps the client."""

    async def slow(peer: RawPeer) -> None:
        for byte in response(peer.head):
            if drips and not peer.writer.is_closing():
                peer.write(bytes([byte]))
            with suppress(asyncio.TimeoutError):
                # The client drops the connection, with a reset if it has not read everything.
                with suppress(ConnectionError):
                    await asyncio.wait_for(peer.reader.read(), 0.02)
                return

    async def main() -> None:
        async with raw_server(slow, shake=False) as server:
            start = time.perf_counter()
            with pytest.raises(TimeoutError):
                await wscore.connect(server.uri, open_timeout=0.1)
            assert 0.05 < time.perf_counter() - start < 5

    run(main())


def test_what_comes_with_the_answer_is_not_lost(run: Run) -> None:
    async def eager(peer: RawPeer) -> None:
        peer.write(response(peer.head) + peer.encode(WireFrame(TEXT, b"1"), WireFrame(TEXT, b"2")))
        await peer.frame()

    async def main() -> None:
        async with raw_server(eager, shake=False) as server:
            ws = await wscore.connect(server.uri)
            assert [await ws.recv(), await ws.recv()] == ["1", "2"]
            await ws.close()

    run(main())


@pytest.mark.parametrize("of", ["connect", "connection"])
@pytest.mark.parametrize(
    ("error", "code"), [(None, 1000), (LookupError, 1011), (asyncio.CancelledError, 1011)]
)
def test_leaving_with_an_exception_closes_with_1011(
    run: Run, of: str, error: type[BaseException] | None, code: int
) -> None:
    async def main() -> None:
        async with raw_server(_closing(codes)) as server:
            connecting = wscore.connect(server.uri, close_timeout=1)
            with pytest.raises(error) if error else nullcontext():
                async with connecting if of == "connect" else await connecting as ws:
                    assert ws.state is wscore.State.OPEN
                    if error is not None:
                        raise error
        assert codes == [code]

    codes: list[int] = []
    run(main())


def _closing(codes: list[int]) -> Any:
    async def close(peer: RawPeer) -> None:
        frame = await peer.frame()
        codes.append(int.from_bytes(frame.payload[:2], "big"))
        peer.send(frame)
        peer.writer.close()

    return close


def test_a_task_that_is_cancelled_while_it_connects_goes_no_further(run: Run) -> None:
    """After any number of turns of the loop: also in the one in which the handshake ends."""

    async def visit(where: str, seen: list[str]) -> None:
        async with wscore.connect(where):
            seen.append("connected")
            await asyncio.sleep(3600)

    async def main() -> None:
        async with serving(echo) as server:
            for turns in range(100):
                seen: list[str] = []
                task = asyncio.ensure_future(visit(uri(server), seen))
                for _ in range(turns):
                    await asyncio.sleep(0)
                connected = bool(seen)
                task.cancel()
                await asyncio.wait([task], timeout=10)
                assert task.cancelled(), turns
                assert bool(seen) is connected
                if connected:
                    break
            else:
                pytest.fail("never connected")
            await until(lambda: not server.connections)

    run(main())
