"""`connect` as websockets has it: its defaults, its proxies, and how it is overridden."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import echo, serving, uri

import wscore
from wscore.compat.websockets.asyncio.client import ClientConnection, connect, unix_connect
from wscore.compat.websockets.exceptions import SecurityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

LINK = "ws://localhost/"
# Those of websockets 17.4.
DEFAULTS = {
    "origin": None,
    "extensions": None,
    "subprotocols": None,
    "compression": "deflate",
    "additional_headers": None,
    "proxy": True,
    "open_timeout": 10,
    "ping_interval": 20,
    "ping_timeout": 20,
    "close_timeout": 10,
    "max_size": 2**20,
    "max_queue": 16,
    "write_limit": 2**15,
    "logger": None,
    "create_connection": None,
}


def test_defaults_are_those_of_websockets() -> None:
    parameters = inspect.signature(connect).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS
    options = connect(LINK)._options.connection
    assert options.ping_interval == 20
    assert options.write_limit == 2**15
    assert options.logger is logging.getLogger("websockets.client")


def test_other_keywords_are_the_engines() -> None:
    assert connect(LINK, max_unsent=5)._options.connection.max_unsent == 5
    with pytest.raises(TypeError, match="extra_headers"):
        connect(LINK, extra_headers={})


def test_none_stands_for_none(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            where = uri(server)
            async with connect(
                where, subprotocols=None, additional_headers=None, extensions=None, origin=None
            ) as ws:
                assert type(ws) is ClientConnection
                await ws.send("hello")
                assert await ws.recv() == "hello"

    run(main())


# Proxies -----------------------------------------------------------------------------------------


def _proxy(given: connect) -> Any:
    return given._proxy and given._proxy.port


def test_the_proxy_of_the_environment_is_found_as_websockets_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For ws, too, the proxy of https is better than that of http."""
    for name in ("all", "ws", "wss", "http", "https", "socks", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    away = "ws://example.com/"
    assert not _proxy(connect(away))
    monkeypatch.setenv("http_proxy", "http://localhost:1001")
    assert _proxy(connect(away)) == 1001
    monkeypatch.setenv("https_proxy", "http://localhost:1002")
    assert _proxy(connect(away)) == 1002
    assert _proxy(connect(away, proxy="http://localhost:1003")) == 1003
    assert not _proxy(connect(away, proxy=None))
    monkeypatch.setenv("no_proxy", "example.com")
    assert not _proxy(connect(away))


# Unix sockets ------------------------------------------------------------------------------------


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with wscore.unix_serve(echo, path):
            async with unix_connect(str(path)) as ws:
                assert ws.request is not None
                assert ws.request.headers["Host"] == "localhost"
            async with unix_connect(path, "ws://elsewhere/") as ws:
                assert ws.request is not None
                assert ws.request.headers["Host"] == "elsewhere"

    run(main())


def test_a_unix_socket_has_to_be_given() -> None:
    with pytest.raises(ValueError, match="no path and sock"):
        unix_connect()


# Redirections ------------------------------------------------------------------------------------


def _redirecting(connection: Any, request: Any) -> Any:
    if request.path.startswith("/old"):
        return connection.respond(302, "", {"Location": "/new"})
    return None


class Refusing(connect):
    """As published packages do it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        found = super().process_redirect(exc)
        if isinstance(found, str) and found.endswith("/new"):
            return SecurityError(f"not from {self.uri} to {found}")
        return found


def test_redirections_are_followed(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, process_request=_redirecting) as server:
            client = connect(uri(server, "/old"))
            for _ in range(2):  # from the beginning each time
                async with client as ws:
                    assert ws.request is not None
                    assert ws.request.path == "/new"
                    assert client.uri == uri(server, "/new")

    run(main())


def test_a_subclass_decides(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, process_request=_redirecting) as server:
            start, end = uri(server, "/old"), uri(server, "/new")
            with pytest.raises(SecurityError, match=f"not from {start} to {end}") as raised:
                await Refusing(start)
            assert isinstance(raised.value.__cause__, wscore.InvalidStatus)
            async with Refusing(uri(server, "/other")):
                pass

    run(main())


@pytest.mark.parametrize("locations", [["/new", "/newer"], ["http://[::1"]])
def test_redirections_to_nowhere(run: Run, locations: list[str]) -> None:
    def redirect(connection: Any, request: Any) -> Any:
        return connection.respond(302, "", [("Location", location) for location in locations])

    async def main() -> None:
        async with serving(echo, process_request=redirect) as server:
            with pytest.raises(wscore.InvalidRedirect):
                await connect(uri(server))

    run(main())


@pytest.mark.parametrize("path", ["/old", "/away"], ids=["redirection", "refusal"])
def test_a_subclass_says_where_to_go(run: Run, path: str) -> None:
    class Elsewhere(connect):
        def process_redirect(self, exc: Exception) -> Exception | str:
            return f"{start}\u2603"

    async def main() -> None:
        nonlocal start
        routes = {path: echo, "/%E2%98%83": echo}
        async with serving(routes, process_request=_redirecting) as server:
            start = uri(server)
            async with Elsewhere(uri(server, f"{path}er")) as ws:
                assert ws.request is not None
                assert ws.request.path == "/%E2%98%83"

    start = ""
    run(main())


def test_other_refusals_are_raised_as_they_are(run: Run) -> None:
    async def main() -> None:
        async with serving({"/here": echo}) as server:
            with pytest.raises(wscore.InvalidStatus) as raised:
                await connect(uri(server, "/there"))
            assert raised.value.response.status_code == 404
            assert raised.value.__cause__ is None

    run(main())
