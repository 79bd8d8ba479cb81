"""Where uvicorn listens, and what the application is told of it: event loops, sockets, TLS."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi_servers import OURS, OWN, launched
from support.certificates import for_blocking_client
from support.processes import eventually
from websockets.sync.client import connect, unix_connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from support.asgi_servers import AsgiServer

    Serve = Callable[..., AsgiServer]

LOOPS = ["asyncio", "uvloop"]


def scope_of(ws: Any) -> dict[str, Any]:
    """The scope of a connection, without what differs from one to the next."""
    ws.send("scope")
    scope = json.loads(ws.recv())
    for name in ("client", "headers"):
        scope[name] = len(scope[name] or [])
    # uvicorn's own classes have 2.4, and nothing that an application could not use with 2.5.
    assert scope["asgi"].pop("spec_version") in ("2.4", "2.5")
    return scope


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("loop", LOOPS)
def test_loops_and_implementations_of_http(serve: Serve, loop: str, http: str) -> None:
    server = serve("--loop", loop, "--http", http)
    with server.connect("/a%20path?a=query", subprotocols=["a", "b"]) as ws:
        scope = scope_of(ws)
        for message in ("text", b"bytes", "x" * 1_000_000):
            ws.send(message)
            assert ws.recv() == message
    assert scope == {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws",
        "server": ["127.0.0.1", server.port], "client": 2, "path": "/a path",
        "raw_path": "b'/a%20path'", "query_string": "b'a=query'", "root_path": "",
        "headers": scope["headers"], "subprotocols": ["a", "b"],
        "state": {"started": "in lifespan"},
    }  # fmt: skip
    assert server.stop(signal.SIGINT) == 0
    # The lifespan is the last to end.
    assert server.log.index("lifespan ends") > server.log.index("Shutting down")


def test_no_lifespan(serve: Serve) -> None:
    with serve("--lifespan", "off").connect() as ws:
        assert scope_of(ws)["state"] == {}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("loop", LOOPS)
def test_ipv6(tmp_path: Path, loop: str) -> None:
    with _launched(
        tmp_path, "--host", "::1", "--port", "0", "--loop", loop, "--ws", OURS
    ) as server:
        server.wait_for_log("Uvicorn running on")
        port = int(server.log.partition("http://[::1]:")[2].split()[0])
        with connect(f"ws://[::1]:{port}/") as ws:
            ws.send("scope")
            scope = json.loads(ws.recv())
        host, own_port = scope["client"]
        assert (scope["server"], host) == (["::1", port], "::1")
        server.wait_for_log(f'INFO:     ::1:{own_port} - "WebSocket /" [accepted]')


def _launched(folder: Path, *options: str, passed: Sequence[int] = ()) -> Any:
    """uvicorn that listens elsewhere than on 127.0.0.1."""
    command = ["-m", "uvicorn", "live_app:app", "--app-dir", os.path.dirname(__file__), *options]
    return launched(command, folder, 0, passed)


def _unix_scope(folder: Path, path: str, *options: str, passed: Sequence[int] = ()) -> Any:
    """What the application is told of a client on a unix socket; then the server is stopped."""
    with _launched(folder, *options, passed=passed) as server:
        server.wait_for_log("Uvicorn running on")
        with unix_connect(path) as ws:
            scope = scope_of(ws)
        assert server.stop(signal.SIGINT) == 0
    assert 'INFO:      - "WebSocket /" [accepted]' in server.log
    return scope


@pytest.mark.parametrize("loop", LOOPS)
def test_a_unix_socket(tmp_path: Path, loop: str) -> None:
    path = str(tmp_path / "socket")
    options = ["--uds", path, "--loop", loop, "--ws"]
    scope = _unix_scope(tmp_path, path, *options, OURS)
    assert (scope["server"], scope["client"]) == ([path, None], 0)
    assert not os.path.exists(path)
    assert scope == _unix_scope(tmp_path, path, *options, OWN[0])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_socket_by_its_descriptor(tmp_path: Path, loop: str) -> None:
    """As systemd and circus pass them on."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        passed = [listening.fileno()]
        options = ["--fd", str(passed[0]), "--loop", loop, "--ws"]
        scope = _unix_scope(tmp_path, path, *options, OURS, passed=passed)
        assert (scope["server"], scope["client"]) == ([path, None], 0)
        assert scope == _unix_scope(tmp_path, path, *options, OWN[0], passed=passed)


@pytest.mark.parametrize("loop", LOOPS)
def test_tls(serve: Serve, loop: str, certificate: Path, client_tls: ssl.SSLContext) -> None:
    options = ("--ssl-keyfile", str(certificate), "--ssl-certfile", str(certificate))
    for_blocking_client(client_tls)
    scopes = []
    for ws in (OURS, OWN[0]):
        server = serve("--loop", loop, *options, ws=ws)
        with server.connect(scheme="wss", ssl=client_tls) as client:
            scopes.append(scope_of(client))
            assert scopes[-1].pop("server") == ["127.0.0.1", server.port]
            client.send("x" * 1_000_000)
            assert len(client.recv()) == 1_000_000
            if ws == OURS:
                server.process.terminate()
                eventually(lambda: client.close_code == 1012)
    assert scopes[0]["scheme"] == "wss"
    assert scopes[0] == scopes[1]
