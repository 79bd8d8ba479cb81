"""What `serve` and `connect` accept, what they refuse at once, and what they make of it."""

from __future__ import annotations

import inspect
import logging
import re
import socket
import ssl
import sys
from dataclasses import FrozenInstanceError, dataclass, fields
from math import inf, nan
from typing import TYPE_CHECKING, Any, get_args

import pytest
from support.numbered import Numbered
from support.rawpeer import Echo, echo

import wscore
from wscore.aio.client.options import (
    ConnectKeywords,
    DialOptions,
    ProxyOptions,
    UnixConnectKeywords,
)
from wscore.aio.options import ConnectionKeywords, ConnectionOptions, Overflow, with_keywords
from wscore.aio.server.options import ListenOptions, ServeKeywords, UnixServeKeywords
from wscore.deflate import PerMessageDeflate

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [field.name for field in fields(ConnectionOptions) if field.init]


def _serve(**options: Any) -> Any:
    return wscore.serve(echo, **options)


def _connect(**options: Any) -> Any:
    return wscore.connect("ws://localhost/", **options)


def _connect_tls(**options: Any) -> Any:
    return wscore.connect("wss://localhost/", **options)


BOTH = pytest.mark.parametrize("call", [_serve, _connect])

# Options of both -------------------------------------------------------------------------------

SECONDS = ["open_timeout", "close_timeout", "ping_interval", "ping_timeout"]
COUNTS = ["max_fragments", "max_unsent"]
HEAD_LIMITS = {
    "max_line_size": (256, 1 << 20), "max_headers": (8, 4096), "max_head_size": (1024, 1 << 22),
}  # fmt: skip
PAIRS = ["max_size", "max_queue", "write_limit"]
# Neither numbers nor lists of what they should be.
NO_NUMBERS: list[Any] = [True, False, "10", b"1", (1, 2), [1], 1j, object()]
WRONG: dict[str, tuple[list[Any], list[Any]]] = {  # of a wrong type, and out of range
    **{name: ([*NO_NUMBERS], [-1, -0.5, inf, -inf, nan]) for name in SECONDS},
    **{name: ([*NO_NUMBERS, 1.0, nan, inf], [-1]) for name in COUNTS},
    **{
        name: (
            [
                *[value for value in NO_NUMBERS if value != (1, 2)],
                1.0,
                nan,
                inf,
                (),
                (1,),
                (1, 2, 3),
                ("1", 1),
                (1, True),
                (1, 1.0),
                [2, 1],
            ],
            [-1, (-1, 1), (1, -1)],
        )
        for name in PAIRS
    },
    "overflow": ([None, 1, True, b"wait"], ["lose", "", "WAIT"]),
    "compression": ([True, 1, b"deflate", PerMessageDeflate, []], ["zip", ""]),
    "extensions": (["deflate", b"", "", 0, 1, Numbered(), [Numbered], ["deflate"], [None]], []),
    **{name: ([*NO_NUMBERS, None, 1.0], [-1, 0, least - 1, most + 1])
       for name, (least, most) in HEAD_LIMITS.items()},
}  # fmt: skip
for option in ("ping_interval", "ping_timeout", "max_fragments", "max_queue"):
    WRONG[option][1].append(0)
WRONG["write_limit"][0].extend([None, (None, 1)])
WRONG["write_limit"][1].append((1, 2))
WRONG["max_queue"][1].extend([(1, 1), (1, 2), (None, 1), (0, 0)])
WRONG["logger"] = (["wscore", 1, True, object()], [])

CASES = [
    (name, error, value)
    for name, kinds in WRONG.items()
    for error, values in zip((TypeError, ValueError), kinds, strict=True)
    for value in values
]


@BOTH
@pytest.mark.parametrize(("name", "error", "value"), CASES)
def test_what_makes_no_sense_is_refused_by_the_call(
    call: Callable[..., Any], name: str, error: type[Exception], value: Any
) -> None:
    with pytest.raises(error, match=f"^{name} must be "):
        call(**{name: value})


def test_every_option_is_checked() -> None:
    assert sorted(WRONG) == sorted(NAMES)


ALLOWED: dict[str, list[Any]] = {
    **{name: [None, 1, 0.5] for name in SECONDS},
    "open_timeout": [0, None],
    "close_timeout": [0, None],
    **{name: [None, 1, 1 << 40] for name in COUNTS},
    "max_size": [0, 1, None, (1, 2), (2, 1), (None, 1), (1, None), (None, None)],
    "max_queue": [None, 1, 1 << 40, (2, 1), (1, 0), (1, None), (None, None)],
    "write_limit": [0, 1, (0, 0), (1, 0), (1, 1), (1, None)],
    "logger": [None, logging.getLogger("own"), logging.LoggerAdapter(logging.root, {})],
    "overflow": list(get_args(Overflow)),
    "compression": [None, "deflate", PerMessageDeflate(), Numbered()],
    "extensions": [None, (), [], [Numbered()]],
    **{name: list(limits) for name, limits in HEAD_LIMITS.items()},
}
CASES = [(name, value) for name, values in ALLOWED.items() for value in values]


@BOTH
@pytest.mark.parametrize(("name", "value"), CASES)
def test_what_makes_sense_is_not_refused(call: Callable[..., Any], name: str, value: Any) -> None:
    call(**{name: value})


def test_compression_comes_after_the_extensions_of_the_application() -> None:
    def enabled(compression: Any, extensions: Any) -> Any:
        options = ConnectionOptions(compression=compression, extensions=extensions)
        return options.enabled_extensions

    first, second = Numbered(), Numbered()
    assert enabled(None, []) == ()
    assert enabled(None, [first]) == (first,)
    assert enabled(second, [first]) == (first, second)
    own, deflate = enabled("deflate", [first])
    assert (own, deflate.name) == (first, "permessage-deflate")


def test_the_queue_is_limited_in_bytes_by_the_size_of_messages() -> None:
    assert ConnectionOptions(max_size=1000).max_queue_bytes == 4000
    assert ConnectionOptions(max_size=None).max_queue_bytes is None
    assert ConnectionOptions(max_size=(1000, 10)).max_queue_bytes == 4000
    assert ConnectionOptions(max_size=(None, 10)).max_queue_bytes is None


def test_limits_become_pairs() -> None:
    assert ConnectionOptions(max_queue=7).queue_limits == (7, 0)
    assert ConnectionOptions(max_queue=(7, None)).queue_limits == (7, 0)
    assert ConnectionOptions(max_queue=(7, 3)).queue_limits == (7, 3)
    assert ConnectionOptions(max_queue=None).queue_limits == (None, 0)
    assert ConnectionOptions(write_limit=7).write_limits == (7, None)
    assert ConnectionOptions(write_limit=(7, 3)).write_limits == (7, 3)
    for none in (0, (0, 0), (0, None)):
        assert ConnectionOptions(write_limit=none).write_limits[0] == 1, "TLS never resumes at 0"


def test_options_do_not_change() -> None:
    options = ConnectionOptions(extensions=[])
    assert options == ConnectionOptions(extensions=())
    assert hash(options) == hash(ConnectionOptions())
    assert not hasattr(options, "__dict__")
    with pytest.raises(FrozenInstanceError):
        options.max_size = 1  # type: ignore[misc]


# Keywords --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [wscore.serve, wscore.connect, wscore.unix_serve,
                                  wscore.unix_connect, ConnectionOptions])  # fmt: skip
def test_both_show_the_same_options_with_the_same_defaults(call: Any) -> None:
    parameters = inspect.signature(call).parameters
    for field in fields(ConnectionOptions):
        if field.init:
            shown = parameters[field.name]
            assert (shown.default, shown.kind) == (field.default, shown.KEYWORD_ONLY)
        else:
            assert field.name not in parameters
    assert not [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]


@pytest.mark.parametrize(
    ("typed", "kinds"),
    [(ConnectionKeywords, [ConnectionOptions]), (ServeKeywords, [ConnectionOptions, ListenOptions]),
     (ConnectKeywords, [ConnectionOptions, DialOptions, ProxyOptions])],
)  # fmt: skip
def test_type_checkers_know_the_same_keywords(typed: Any, kinds: list[Any]) -> None:
    own = {field.name: field.type for kind in kinds for field in fields(kind) if field.init}
    known = {name: hint.__forward_arg__ for name, hint in typed.__annotations__.items()}
    assert known == own


def test_typed_keywords_are_those_of_the_calls() -> None:
    for typed, call, unnamed in (
        (UnixServeKeywords, wscore.serve, {"handler", "host", "port", "path", "sock"}),
        (UnixConnectKeywords, wscore.connect, {"uri", "listener", "path", "sock"}),
    ):
        assert set(typed.__annotations__) == set(inspect.signature(call).parameters) - unnamed


def test_one_new_field_is_a_new_keyword_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class More(ConnectionOptions):
        colour: str = "red"

    for module, call in (("server.serve", wscore.serve), ("client.connect", wscore.connect)):
        with pytest.raises(TypeError, match="colour"):
            call(echo if call is wscore.serve else "ws://a/", colour="blue")
        monkeypatch.setattr(f"wscore.aio.{module}.ConnectionOptions", More)
        monkeypatch.setattr(call, "__signature__", call.__signature__)
        with_keywords(More, without=NAMES)(call)
        made = call(echo if call is wscore.serve else "ws://a/", colour="blue")
        options = made._host.options if call is wscore.serve else made._options
        assert options.connection.colour == "blue"


def test_wrong_keywords_are_refused_by_the_call() -> None:
    for name, hint in (("pingintervall", "ping_interval"), ("maxsize", "max_size"),
                       ("backlogs", "backlog"), ("origin", "origins")):  # fmt: skip
        with pytest.raises(TypeError) as caught:
            _serve(**{name: 1})
        assert str(caught.value) == (
            f"serve() got an unexpected keyword argument {name!r}; did you mean {hint!r}?"
        )
    with pytest.raises(TypeError, match=r"^connect\(\) got an unexpected .* 'xyzzy'$"):
        _connect(xyzzy=1)
    for call in (wscore.unix_serve, wscore.unix_connect):
        with pytest.raises(TypeError, match="unexpected keyword argument 'enabled_extensions'"):
            call(echo, "/tmp/a", enabled_extensions=())


# Options of one --------------------------------------------------------------------------------

TLS = {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}
OF_SERVERS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"origins": "https://a.example"}, TypeError),
    ({"origins": 1}, TypeError),
    ({"origins": [1]}, TypeError),
    ({"origins": ["a.example"]}, ValueError),
    ({"subprotocols": "chat"}, TypeError),
    ({"subprotocols": 1}, TypeError),
    ({"subprotocols": [1]}, TypeError),
    ({"subprotocols": ["a b"]}, ValueError),
    ({"subprotocols": echo}, TypeError),
    ({"origins": re.compile("https://a")}, TypeError),
    ({"origins": [re.compile(b"https://a")]}, TypeError),
    ({"require_subprotocol": 1}, TypeError),
    ({"select_subprotocol": ["chat"]}, TypeError),
    ({"select_subprotocol": echo}, TypeError),
    ({"server_header": 1}, TypeError),
    ({"server_header": b"a"}, TypeError),
    ({"server_header": ""}, ValueError),
    ({"server_header": "a\r\nb: c"}, ValueError),
    ({"create_connection": 1}, TypeError),
    ({"process_request": 1}, TypeError),
    ({"process_request": "hook"}, TypeError),
    ({"process_response": True}, TypeError),
    *[({name: wrong}, TypeError) for wrong in (True, "1", 1.5, (1, 2))
      for name in ("max_connections", "max_connections_per_ip", "backlog")],
    *[({name: wrong}, ValueError) for wrong in (0, -1)
      for name in ("max_connections", "max_connections_per_ip", "backlog")],
    ({"port": True}, TypeError),
    ({"port": "80"}, TypeError),
    ({"port": 80.0}, TypeError),
    ({"port": -1}, ValueError),
    ({"port": 65536}, ValueError),
    ({"host": 1}, TypeError),
    ({"host": [1]}, TypeError),
    ({"path": 1}, TypeError),
    ({"sock": 1}, TypeError),
    ({"ssl": True}, TypeError),
    ({"ssl": ssl}, TypeError),
    ({"start_serving": 0}, TypeError),
    ({"start_serving": None}, TypeError),
    ({"reuse_address": 1}, TypeError),
    ({"reuse_port": "yes"}, TypeError),
    ({"keep_alive": 1}, TypeError),
    ({"cleanup_socket": None}, TypeError),
    ({"family": "inet"}, TypeError),
    ({"family": -1}, ValueError),
    ({"flags": 1.0}, TypeError),
    ({"ssl_handshake_timeout": "1", **TLS}, TypeError),
    ({"ssl_handshake_timeout": 0, **TLS}, ValueError),
    ({"ssl_handshake_timeout": 1}, ValueError),
    ({"ssl_shutdown_timeout": True, **TLS}, TypeError),
    ({"ssl_shutdown_timeout": nan, **TLS}, ValueError),
    ({"reuse_port": True, "path": "/tmp/a"}, TypeError),
]  # fmt: skip
OF_CLIENTS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"origin": 1}, TypeError),
    ({"origin": ["https://a.example"]}, TypeError),
    ({"origin": "a\r\nb"}, ValueError),
    ({"subprotocols": "chat"}, TypeError),
    ({"subprotocols": [1]}, TypeError),
    ({"subprotocols": ["a b"]}, ValueError),
    ({"subprotocols": ["a", "a"]}, ValueError),
    ({"require_subprotocol": 1, "subprotocols": ["a"]}, TypeError),
    ({"require_subprotocol": True}, ValueError),
    ({"require_subprotocol": True, "subprotocols": []}, ValueError),
    ({"process_exception": 1}, TypeError),
    ({"process_exception": echo}, TypeError),
    ({"reconnect_delays": [1.0]}, TypeError),
    ({"create_connection": "ClientConnection"}, TypeError),
    ({"additional_headers": 1}, TypeError),
    ({"additional_headers": {"X-A": 1}}, TypeError),
    ({"additional_headers": "ab"}, TypeError),
    ({"additional_headers": ["ab", "cd"]}, TypeError),
    ({"additional_headers": {"X A": "1"}}, ValueError),
    ({"additional_headers": {"X-A": "a\nb"}}, ValueError),
    ({"additional_headers": {"Sec-WebSocket-Key": "1"}}, ValueError),
    ({"user_agent_header": 1}, TypeError),
    ({"user_agent_header": "a\nb"}, ValueError),
    ({"max_body_size": None}, TypeError),
    ({"max_body_size": -1}, ValueError),
    ({"max_body_size": 1 << 31}, ValueError),
    ({"listener": echo}, TypeError),
    ({"listener": object}, TypeError),
    ({"ssl": False}, TypeError),
    ({"ssl": True}, ValueError),
    ({"ssl": ssl.create_default_context()}, ValueError),
    ({"proxy_ssl": False}, TypeError),
    ({"proxy_ssl": 1}, TypeError),
    ({"proxy_server_hostname": 1}, TypeError),
    ({"proxy_ssl_handshake_timeout": 0}, ValueError),
    ({"proxy_ssl_shutdown_timeout": "1"}, TypeError),
    ({"path": 1}, TypeError),
    ({"sock": 1}, TypeError),
    ({"proxy": 1}, TypeError),
    ({"proxy": "ftp://proxy.example"}, ValueError),
    ({"reconnect": True}, TypeError),
    ({"reconnect": wscore.Backoff}, TypeError),
    ({"host": 1}, TypeError),
    ({"port": "80"}, TypeError),
    ({"port": True}, TypeError),
    ({"port": 0}, ValueError),
    ({"port": 65536}, ValueError),
    ({"family": None}, TypeError),
    ({"proto": "tcp"}, TypeError),
    ({"flags": -1}, ValueError),
    ({"local_addr": "127.0.0.1"}, TypeError),
    ({"happy_eyeballs_delay": True}, TypeError),
    ({"happy_eyeballs_delay": -1}, ValueError),
    ({"interleave": 1.0}, TypeError),
    ({"interleave": 0}, ValueError),
    ({"all_errors": 1}, TypeError),
    ({"server_hostname": 1}, TypeError),
    ({"server_hostname": "a.example"}, ValueError),
    ({"ssl_handshake_timeout": "1"}, TypeError),
    ({"ssl_handshake_timeout": -1}, ValueError),
    ({"ssl_shutdown_timeout": inf}, ValueError),
    ({"host": "a.example", "path": "/tmp/a"}, TypeError),
]


@pytest.mark.parametrize(
    ("call", "options", "error"),
    [*[(_serve, *case) for case in OF_SERVERS], *[(_connect, *case) for case in OF_CLIENTS]],
)
def test_options_of_one_role_are_checked_by_the_call(
    call: Callable[..., Any], options: dict[str, Any], error: type[Exception]
) -> None:
    message = "a proxy is" if error is ValueError and "proxy" in options else next(iter(options))
    with pytest.raises(error, match=f"^{message}\\b"):
        call(**options)


@pytest.mark.parametrize("uri", [1, None, b"ws://a/", ["ws://a/"]])
def test_a_uri_is_a_str(uri: Any) -> None:
    with pytest.raises(TypeError, match="uri must be a str"):
        wscore.connect(uri)


def test_a_uri_is_checked_by_the_call() -> None:
    with pytest.raises(wscore.InvalidURI):
        wscore.connect("http://a/")


def test_one_place_to_listen_or_to_connect() -> None:
    with socket.socket() as sock:
        for call, options in (
            (_serve, {"host": "127.0.0.1", "sock": sock}),
            (_serve, {"port": 0, "path": "/tmp/a"}),
            (_serve, {"path": "/tmp/a", "sock": sock}),
            (_connect, {"host": "127.0.0.1", "sock": sock}),
            (_connect, {"port": 1, "sock": sock}),
            (_connect, {"path": "/tmp/a", "sock": sock}),
        ):
            with pytest.raises(ValueError, match="exclude each other"):
                call(**options)


def test_what_a_role_takes(tmp_path: Any) -> None:
    for options in (
        {"origins": ["https://a.example", None, "*"], "subprotocols": ["a", "b"]},
        {"subprotocols": min, "process_request": echo, "process_response": print},
        {"host": ["127.0.0.1", "::1"], "port": 0, "backlog": 1, "reuse_address": True},
        {"path": tmp_path / "socket", "backlog": 5, "start_serving": False},
        {"ssl_handshake_timeout": 1, "ssl": TLS["ssl"], "family": socket.AF_INET},
    ):
        _serve(**options)
    for options in (
        {"origin": "https://a.example", "subprotocols": ["a", "b"], "listener": Echo},
        {"subprotocols": ["a"], "require_subprotocol": True},
        {"additional_headers": [("X-A", "1")], "user_agent_header": None, "listener": Echo()},
        {"proxy": "http://u:p@proxy.example:1"},
        {"proxy": "https://proxy.example", "proxy_ssl": ssl.create_default_context()},
        {"proxy": "https://proxy.example", "proxy_ssl": True, "proxy_ssl_handshake_timeout": 1},
        {"proxy": None},
        {"proxy": False, "reconnect": wscore.Backoff()},
        {"host": "127.0.0.1", "port": 80, "local_addr": ("127.0.0.1", 0), "interleave": 1},
        {"happy_eyeballs_delay": 0.25, "family": socket.AF_UNSPEC},
    ):
        _connect(**options)
    _connect_tls(
        ssl=ssl.create_default_context(), server_hostname="a.example", ssl_handshake_timeout=1
    )
    _connect_tls(path=tmp_path / "socket", server_hostname="a.example")


@pytest.mark.parametrize(
    ("call", "options", "since"),
    [(_serve, {"keep_alive": True}, (3, 13)), (_connect, {"all_errors": True}, (3, 12)),
     (_serve, {"cleanup_socket": False, "path": "/tmp/a"}, (3, 13)),
     (_connect_tls, {"ssl_shutdown_timeout": 1}, (3, 11))],
)  # fmt: skip
def test_what_this_python_does_not_have_is_refused_by_the_call(
    monkeypatch: pytest.MonkeyPatch, call: Any, options: dict[str, Any], since: tuple[int, int]
) -> None:
    monkeypatch.setattr(sys, "version_info", since)
    call(**options)
    monkeypatch.setattr(sys, "version_info", (3, since[1] - 1))
    with pytest.raises(TypeError, match=f"{next(iter(options))} needs Python 3.{since[1]}"):
        call(**options)
