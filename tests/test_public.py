"""What applications see of connections, servers and listeners: the documented names, no others."""

from __future__ import annotations

import gc
import inspect
from typing import Any

import pytest

import wscore

CONNECTION = {
    "abort", "close", "close_code", "close_reason", "drain", "id", "latency", "local_address",
    "logger", "pause_reading", "ping", "pong", "protocol", "recv", "recv_streaming",
    "remote_address", "request", "response", "resume_reading", "send", "start_close", "state",
    "stats", "subprotocol", "transport", "wait_closed", "write",
}  # fmt: skip
NAMES = {
    wscore.Connection: CONNECTION,
    wscore.ServerConnection: CONNECTION | {"respond", "scheme", "server", "username"},
    wscore.ClientConnection: CONNECTION | {"attempt", "reconnections"},
    wscore.Server: {
        "close", "connections", "get_loop", "is_serving", "logger", "serve_forever", "sockets",
        "start_serving", "stats", "wait_closed",
    },
    wscore.Listener: {
        "on_close", "on_drain", "on_message", "on_open", "on_ping", "on_pong",
    },
    wscore.Hub: {
        "close", "connected", "count", "drain", "dropped", "join", "leave", "members", "presence",
        "publish", "publish_threadsafe", "resume", "rooms", "start", "stats",
    },
    wscore.serve: set(),
    wscore.connect: {"close", "connection", "wait_closed"},
}  # fmt: skip
MEMBERS = [(kind, name) for kind, names in NAMES.items() for name in sorted(names)]


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_nothing_else_is_public(kind: type) -> None:
    assert {name for name in dir(kind) if not name.startswith("_")} == NAMES[kind]
    assert inspect.getdoc(kind)


@pytest.mark.parametrize(
    ("kind", "name"), MEMBERS, ids=lambda part: getattr(part, "__name__", part)
)
def test_everything_public_is_documented(kind: type, name: str) -> None:
    member = getattr(kind, name)
    assert len(inspect.getdoc(member) or "") > 10
    if callable(member):
        assert inspect.signature(member).parameters, "a method takes self"


@pytest.mark.parametrize(
    "kind", [wscore.Connection, wscore.ServerConnection, wscore.ClientConnection]
)
def test_connections_take_attributes_of_the_application(kind: Any) -> None:
    connection = kind.__new__(kind)
    assert not [held for held in gc.get_referents(connection) if isinstance(held, dict)]
    connection.user = "somebody"
    assert connection.__dict__ == {"user": "somebody"}
    with pytest.raises(AttributeError):
        connection.state = 1


def test_methods_have_real_signatures() -> None:
    def parameters(method: Any) -> list[str]:
        return list(inspect.signature(method).parameters)

    connection = wscore.Connection
    assert parameters(connection.write) == ["self", "message", "text", "compress"]
    assert parameters(connection.send) == ["self", "message", "text", "compress"]
    assert parameters(connection.recv) == ["self", "decode"]
    assert inspect.iscoroutinefunction(connection.send)
    assert inspect.iscoroutinefunction(connection.recv)
    assert inspect.isasyncgenfunction(connection.recv_streaming)


def test_a_listener_may_say_which_connections_it_is_for() -> None:
    assert issubclass(wscore.Listener[wscore.ServerConnection].__origin__, wscore.Listener)
