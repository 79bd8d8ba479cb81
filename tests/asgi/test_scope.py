"""What applications are told of a request."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import HTTP, Recorder, accepting, hosted
from support.heads import KEY

import wscore
from wscore.asgi.scope import fields_of_head

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("offered", [[], ["a", "b"]], ids=["fast path", "slow path"])
def test_the_whole_scope(run: Run, http: str, offered: list[str]) -> None:
    async def main() -> None:
        app = Recorder()
        state = {"kept": ["by reference"]}
        extra: tuple[str, ...] = "X-Twice: 1", "x-TWICE: 2", "X-Latin: caf\xe9", "X-Empty:  "
        if offered:
            extra = *extra, f"Sec-WebSocket-Protocol: {', '.join(offered)}"
        options: Any = {"http": http, "app_state": state, "root_path": "/mounted"}
        path = "/caf%C3%A9%2F?q=%20&r"
        async with hosted(app, **options) as under, under.raw(path, *extra):
            address = under.address
        assert isinstance(app.ws, wscore.ServerConnection)
        assert app.scope.pop("client")[0] == "127.0.0.1"
        assert app.scope == {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/mounted/caf\xe9/",
            "raw_path": b"/mounted/caf%C3%A9%2F",
            "query_string": b"q=%20&r",
            "root_path": "/mounted",
            "headers": [
                (b"host", b"localhost"),
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
                (b"sec-websocket-key", KEY.encode()),
                (b"sec-websocket-version", b"13"),
                (b"x-twice", b"1"),
                (b"x-twice", b"2"),
                (b"x-latin", b"caf\xc3\xa9"),
                (b"x-empty", b""),
                *([(b"sec-websocket-protocol", b"a, b")] if offered else []),
            ],
            "server": address,
            "subprotocols": offered,
            "state": state,
            "extensions": {"websocket.http.response": {}, "wscore": {"connection": app.ws}},
        }

    run(main())


def test_what_an_application_writes_there_stays_its_own(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        state: dict[str, Any] = {"a": 1}
        async with hosted(app, app_state=state) as under:
            async with under.raw():
                app.scope["state"]["b"] = 2
                app.scope["asgi"]["version"] = "changed"
                app.scope["extensions"].clear()
            async with under.raw():
                assert app.scope["state"] == {"a": 1}
                assert app.scope["asgi"]["version"] == "3.0"
                assert set(app.scope["extensions"]) == {"websocket.http.response", "wscore"}

    run(main())


def test_a_subprotocol_that_the_application_chooses(run: Run) -> None:
    async def main() -> None:
        async def second(app: Recorder) -> None:
            await app.next()
            await app.send("websocket.accept", subprotocol=app.scope["subprotocols"][1])
            await app.next()

        app = Recorder(second)
        async with hosted(app) as under, under.connect(subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == app.ws.subprotocol == "b"

    run(main())


def test_the_asgi_version_is_that_of_the_interface(run: Run) -> None:
    async def main() -> None:
        app = Recorder()

        def of_version_2(scope: Any) -> Any:
            async def instance(receive: Any, send: Any) -> None:
                await app(scope, receive, send)

            return instance

        async with hosted(of_version_2, interface="asgi2") as under, under.raw():
            assert app.scope["asgi"]["version"] == "2.0"

    run(main())


def test_the_connection_says_what_asgi_cannot(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.connect() as ws:
            app.ws.write("at once")
            assert await ws.recv() == "at once"
            assert await (await app.ws.ping()) >= 0
            assert app.ws.latency > 0
            assert app.ws.stats.messages_sent == 1
            assert app.ws.remote_address == ws.local_address
            assert app.ws.server is None
            app.ws.user = "somebody"  # type: ignore[attr-defined]

    run(main())


def test_what_most_clients_send_alike_is_kept_once(run: Run) -> None:
    async def main() -> None:
        seen: list[Any] = []
        app = Recorder()
        async with hosted(app) as under:
            for _ in range(2):
                async with under.raw("/", "User-Agent: a browser", "Cookie: a=b"):
                    seen.append(app.scope["headers"])
        [one, other] = seen
        assert one == other
        kept = [field[0] for field, same in zip(one, other, strict=True) if field is same]
        assert kept == [b"host", b"upgrade", b"connection", b"sec-websocket-version", b"user-agent"]

    run(main())


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"User-Agent", b"b" * 1000), (b"X-" + b"a" * 1000, b"1")],
    ids=["value", "name"],
)
def test_clients_do_not_choose_how_much_is_kept(name: bytes, value: bytes) -> None:
    """What is long is not shared, because it would be kept when the connections are gone."""
    head = b"GET / HTTP/1.1\r\n" + name + b": " + value + b"\r\n\r\n"
    [one], [other] = fields_of_head(head), fields_of_head(head)
    assert one == other == (name.lower(), value)
    assert one is not other
    assert one[0] is not other[0]


def test_a_scope_can_be_copied_deeply(run: Run) -> None:
    async def main() -> None:
        async def copying(app: Recorder) -> None:
            copied = copy.deepcopy(app.scope)
            assert copied == app.scope
            assert copied["headers"] is not app.scope["headers"]
            assert copied["extensions"]["wscore"]["connection"] is app.ws
            await app.send("websocket.send", text="copied")

        async with hosted(accepting(copying)) as under, under.connect() as ws:
            assert await ws.recv() == "copied"

    run(main())


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("offered", ["", "Sec-WebSocket-Protocol: a"], ids=["fast", "slow"])
def test_the_connection_has_both_heads(run: Run, offered: str, asked_before: bool) -> None:
    async def main() -> None:
        async def serve(app: Recorder) -> None:
            app.scope["headers"].clear()  # which is the application's
            if asked_before:
                assert app.ws.request.path == "/a?b"
            await app.send("websocket.accept", headers=[(b"x-mine", b"caf\xe9")])
            await app.next()

        extra = (
            "X-Twice: 1",
            "X-Twice: 2",
            "X-Empty:",
            "Sec-WebSocket-Extensions: permessage-deflate",
        )
        app = Recorder(serve)
        options: Any = {"headers": [("X-Always", "yes")]}
        lines = [*extra, offered] if offered else extra
        async with hosted(app, **options) as under, under.raw("/a?b", *lines, status=0) as peer:
            head = await peer.read_head()
        request, response = app.ws.request, app.ws.response
        assert request is app.ws.request
        assert (request.method, request.path) == ("GET", "/a?b")
        assert request.headers["Sec-WebSocket-Key"] == KEY
        assert request.headers.get_all("X-Twice") == ["1", "2"]
        assert request.headers["X-Empty"] == ""
        assert response.serialize() == head
        assert response.headers["X-Mine"] == "caf\xe9"
        assert response.headers["X-Always"] == "yes"
        assert response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")

    run(main())
