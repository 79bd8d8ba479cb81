"""The names of subprotocols, and the functions that choose among them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import address, serving

import wscore
from wscore import NegotiationError, subprotocols
from wscore.protocol.headers import is_token
from wscore.subprotocols import (
    GRAPHQL,
    MQTT,
    STOMP,
    STOMP_1_1,
    STOMP_1_2,
    by_path,
    client_preference,
    server_preference,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

NAMES = {name: getattr(subprotocols, name) for name in subprotocols.__all__ if name.isupper()}

# As the specifications of the protocols write them.
SPECIFIED = {
    "GRAPHQL_TRANSPORT_WS": "graphql-transport-ws",
    "GRAPHQL_WS": "graphql-ws",
    "MQTT": "mqtt",
    "OCPP_2_0_1": "ocpp2.0.1",
    "STOMP_1_2": "v12.stomp",
    "WAMP_2_JSON": "wamp.2.json",
    "WAMP_2_MSGPACK": "wamp.2.msgpack",
    "XMPP": "xmpp",
}


def test_names_are_those_of_the_specifications() -> None:
    assert {name: NAMES[name] for name in SPECIFIED} == SPECIFIED
    single = [value for value in NAMES.values() if isinstance(value, str)]
    assert len(set(single)) == len(single)
    assert all(map(is_token, single))


def test_families_have_all_their_versions_the_newest_first() -> None:
    families = {name: value for name, value in NAMES.items() if isinstance(value, tuple)}
    assert set(families) == {"GRAPHQL", "OCPP", "STOMP", "WAMP"}
    for family, members in families.items():
        named = {v for k, v in NAMES.items() if k.startswith(f"{family}_")}
        assert set(members) == named
        assert len(members) == len(named)
    for versions in (families["OCPP"], STOMP):
        numbers = [[int(digit) for digit in re.findall(r"\d", name)] for name in versions]
        assert numbers == sorted(numbers, reverse=True)


def test_the_documentation_has_all_names() -> None:
    page = (Path(__file__).parents[1] / "docs" / "subprotocols.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`[A-Z_0-9]+`(?:, )?)+) \| ([^|]+) \|", page, re.MULTILINE)
    documented = {
        constant: name
        for constants, names in rows
        for constant, name in zip(
            re.findall(r"`(.*?)`", constants), re.findall(r"`(.*?)`", names), strict=True
        )
    }
    assert documented == {k: v for k, v in NAMES.items() if isinstance(v, str)}


# What is chosen, over real sockets


async def tell(ws: wscore.ServerConnection) -> None:
    await ws.send(ws.subprotocol or "none")


async def chosen(select: Any, *offers: tuple[str, list[str]]) -> list[Any]:
    """For each path and what is offered there: the subprotocol, None, or a status of refusal."""
    found: list[Any] = []
    async with serving(tell, select_subprotocol=select) as server:
        host, port = address(server)
        for path, offered in offers:
            try:
                async with wscore.connect(f"ws://{host}:{port}{path}", subprotocols=offered) as ws:
                    assert await ws.recv() == (ws.subprotocol or "none")
                    found.append(ws.subprotocol)
            except wscore.InvalidStatus as refused:
                found.append(refused.status)
    return found


def test_the_server_prefers(run: Run) -> None:
    offers = [("/", ["v11.stomp", "v12.stomp"]), ("/", ["x"]), ("/", [])]
    assert run(chosen(server_preference(*STOMP), *offers)) == [STOMP_1_2, 400, 400]
    let_in = server_preference(*STOMP, required=False)
    assert run(chosen(let_in, *offers)) == [STOMP_1_2, None, None]


def test_the_client_prefers(run: Run) -> None:
    offers = [("/", ["x", "v11.stomp", "v12.stomp"]), ("/", ["x"]), ("/", [])]
    assert run(chosen(client_preference(*STOMP), *offers)) == [STOMP_1_1, 400, 400]
    let_in = client_preference(*STOMP, required=False)
    assert run(chosen(let_in, *offers)) == [STOMP_1_1, None, None]


PATHS = {"/mqtt": [MQTT], "/graphql": GRAPHQL, "/plain": []}
BY_PATH = [
    # path, offered, chosen, chosen if none is required
    ("/mqtt", ["mqtt"], "mqtt", "mqtt"),
    ("/mqtt?a=/plain", ["mqtt"], "mqtt", "mqtt"),
    ("/mqtt", ["graphql-ws"], 400, None),
    ("/mqtt", [], 400, None),
    ("/graphql", ["graphql-ws", "graphql-transport-ws"], GRAPHQL[0], GRAPHQL[0]),
    ("/graphql", ["mqtt", "graphql-ws"], "graphql-ws", "graphql-ws"),
    ("/plain", [], None, None),
    ("/plain", ["mqtt"], None, None),
    # Other ways to write a path do not lead to what it has, nor around what it demands.
    ("/mqtt/", ["mqtt"], 400, None),
    ("/%6dqtt", ["mqtt"], 400, None),
    ("/plain/../mqtt", ["mqtt"], 400, None),
    ("/MQTT", ["mqtt"], 400, None),
    ("/", ["mqtt"], 400, None),
]


@pytest.mark.parametrize("required", [True, False])
def test_by_path(run: Run, required: bool) -> None:
    select = by_path(PATHS, required=required)
    expected = [row[2 if required else 3] for row in BY_PATH]
    assert run(chosen(select, *(row[:2] for row in BY_PATH))) == expected


WRONG: list[tuple[Any, tuple[Any, ...], type[Exception]]] = [
    (server_preference, (), ValueError),
    (server_preference, (["a", "b"],), TypeError),
    (server_preference, ("a b",), ValueError),
    (client_preference, (), ValueError),
    (client_preference, (STOMP,), TypeError),
    (by_path, (["/a"],), TypeError),
    (by_path, ({"/a": "mqtt"},), TypeError),
    (by_path, ({"/a": ["a b"]},), ValueError),
    (by_path, ({"a": ["mqtt"]},), ValueError),
    (by_path, ({1: ["mqtt"]},), ValueError),
    # Paths that no request has.
    *((by_path, ({path: ["mqtt"]},), ValueError) for path in ("/a?b", "/a#b", "/a b", "/ä", "/\n")),
]


@pytest.mark.parametrize(("make", "arguments", "error"), WRONG)
def test_mistakes_are_found_where_they_are_made(
    make: Any, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        make(*arguments)


@pytest.mark.parametrize("required", [1, "no", None])
def test_whether_one_is_required_is_a_bool(required: Any) -> None:
    for make in (server_preference, client_preference):
        with pytest.raises(TypeError, match="required"):
            make("mqtt", required=required)
    with pytest.raises(TypeError, match="required"):
        by_path(PATHS, required=required)


# Both sides may require one


@pytest.mark.parametrize(
    ("spoken", "offered"), [(None, ["a"]), ([], ["a"]), (["b"], ["a"]), (["A"], ["a"])]
)
def test_a_client_that_requires_a_subprotocol_is_not_let_down(
    run: Run, spoken: Any, offered: list[str]
) -> None:
    ends: list[int | None] = []

    async def handler(ws: wscore.ServerConnection) -> None:
        await ws.wait_closed()
        ends.append(ws.close_code)

    async def main() -> None:
        async with serving(handler, subprotocols=spoken) as server:
            host, port = address(server)
            uri = f"ws://{host}:{port}/"
            async with wscore.connect(uri, subprotocols=offered) as ws:
                assert ws.subprotocol is None  # RFC 6455 4.1: no fault, unless somebody says so
            with pytest.raises(NegotiationError, match="none of the subprotocols"):
                await wscore.connect(uri, subprotocols=offered, require_subprotocol=True)
            backoff = wscore.Backoff(initial_delay=0.001)
            with pytest.raises(NegotiationError):
                await wscore.connect(
                    uri, subprotocols=offered, require_subprotocol=True, reconnect=backoff
                )
        # The connection is not kept until a timeout: the server sees its end.
        assert ends == [1000, 1006, 1006]

    run(main())


def test_both_sides_require_one_and_agree(run: Run) -> None:
    async def main() -> None:
        both: dict[str, Any] = {"subprotocols": ["b", "a"], "require_subprotocol": True}
        async with serving(tell, **both) as server:
            host, port = address(server)
            uri = f"ws://{host}:{port}/"
            both["subprotocols"] = ["x", "a"]
            async with wscore.connect(uri, **both) as ws:
                assert ws.subprotocol == await ws.recv() == "a"
            both["subprotocols"] = ["x"]
            with pytest.raises(wscore.InvalidStatus) as refused:  # by the server, which is first
                await wscore.connect(uri, **both)
            assert refused.value.status == 400

    run(main())
