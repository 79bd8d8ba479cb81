"""`serve` as websockets has it: its defaults, its handlers, and the subprotocol it demands."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import Echo, echo, uri

import wscore
from wscore.compat.websockets.asyncio.client import connect
from wscore.compat.websockets.asyncio.server import ServerConnection, basic_auth, serve, unix_serve
from wscore.compat.websockets.exceptions import NegotiationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

HERE = ("127.0.0.1", 0)
# Those of websockets 17.4.
DEFAULTS = {
    "origins": None,
    "extensions": None,
    "subprotocols": None,
    "select_subprotocol": None,
    "compression": "deflate",
    "process_request": None,
    "process_response": None,
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
    parameters = inspect.signature(serve).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS
    options = serve(echo)._host.options.connection
    assert options.ping_interval == 20
    assert options.write_limit == 2**15
    assert options.logger is logging.getLogger("websockets.server")


# Handlers ----------------------------------------------------------------------------------------


async def _say(word: str, ws: Any) -> None:
    await ws.send(word)


def _says_in_vain(ws: Any) -> Awaitable[None]:
    return _say("plain function", ws)


class _Callable:
    async def __call__(self, ws: Any) -> None:
        await ws.send("object")

    def method(self, ws: Any) -> Awaitable[None]:
        return _say("method", ws)


@pytest.mark.parametrize(
    ("handler", "word"),
    [
        (_says_in_vain, "plain function"),
        (_Callable(), "object"),
        (_Callable().method, "method"),
        (functools.partial(_say, "partial"), "partial"),
        (lambda ws: _say("lambda", ws), "lambda"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_handlers_are_all_that_return_awaitables(run: Run, handler: Any, word: str) -> None:
    async def main() -> None:
        async with serve(handler, *HERE) as server, connect(uri(server)) as ws:
            assert await ws.recv() == word

    run(main())


def test_listeners_are_handlers_here_too(run: Run) -> None:
    async def main() -> None:
        for handler in (Echo, Echo()):
            async with serve(handler, *HERE) as server, connect(uri(server)) as ws:  # type: ignore[arg-type]
                await ws.send("hello")
                assert await ws.recv() == "hello"

    run(main())


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="handler"):
        serve("handler")  # type: ignore[arg-type]


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with unix_serve(echo, str(path)), wscore.unix_connect(path) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"

    run(main())


# Subprotocols ------------------------------------------------------------------------------------


def _agreed(run: Run, offer: Any = None, **options: Any) -> Any:
    """The subprotocol that is agreed on, or the status of the refusal."""

    async def main() -> Any:
        async with serve(echo, *HERE, **options) as server:
            try:
                async with connect(uri(server), subprotocols=offer) as ws:
                    return ws.subprotocol
            except wscore.InvalidStatus as refused:
                return refused.response.status_code

    return run(main())


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        (["chat"], ["chat"], "chat"),
        (["chat", "superchat"], ["superchat", "chat"], "chat"),
        (["chat"], ["other"], 400),
        (["chat"], None, 400),
        (None, ["chat"], None),
        (None, None, None),
    ],
)
def test_a_client_without_one_of_the_subprotocols_is_refused(
    run: Run, ours: Any, theirs: Any, agreed: Any
) -> None:
    assert _agreed(run, theirs, subprotocols=ours) == agreed


def test_a_function_may_let_it_in(run: Run) -> None:
    def select(ws: ServerConnection, offered: Any) -> Any:
        assert type(ws) is ServerConnection
        return "chat" if "chat" in offered else None

    options = {"subprotocols": ["chat"], "select_subprotocol": select}
    assert _agreed(run, ["other"], **options) is None
    assert _agreed(run, ["chat"], **options) == "chat"


def test_a_function_may_refuse(run: Run) -> None:
    def select(ws: ServerConnection, offered: Any) -> Any:
        raise NegotiationError("no")

    assert _agreed(run, ["chat"], select_subprotocol=select) == 400


def test_the_engines_rule_can_be_had(run: Run) -> None:
    assert _agreed(run, subprotocols=["chat"], require_subprotocol=False) is None


# Authentication ----------------------------------------------------------------------------------


def test_basic_auth_takes_a_pair(run: Run) -> None:
    async def name(ws: ServerConnection) -> None:
        await ws.send(ws.username or "nobody")

    async def main() -> None:
        ask = basic_auth(realm="here", credentials=("ann", "secret"))
        async with serve(name, *HERE, process_request=ask) as server:
            with pytest.raises(wscore.InvalidStatus) as raised:
                await connect(uri(server))
            assert 'realm="here"' in raised.value.response.headers["WWW-Authenticate"]
            async with connect(uri(server).replace("//", "//ann:secret@")) as ws:
                assert await ws.recv() == "ann"

    run(main())
