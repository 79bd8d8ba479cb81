"""The grammars of header fields, one value at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wscore
from wscore.compat.websockets import datastructures
from wscore.compat.websockets.exceptions import (
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
)
from wscore.compat.websockets.headers import (
    build_authorization_basic,
    build_extension,
    build_host,
    build_subprotocol,
    build_www_authenticate_basic,
    parse_authorization_basic,
    parse_connection,
    parse_extension,
    parse_extension_list,
    parse_subprotocol,
    parse_upgrade,
    validate_subprotocols,
)


@pytest.mark.parametrize(
    ("host", "port", "secure", "built", "with_port"),
    [
        ("h", 80, False, "h", "h:80"),
        ("h", 80, True, "h:80", "h:80"),
        ("h", 443, True, "h", "h:443"),
        ("::1", 443, True, "[::1]", "[::1]:443"),
        ("127.0.0.1", 8000, False, "127.0.0.1:8000", "127.0.0.1:8000"),
    ],
)
def test_host(host: str, port: int, secure: bool, built: str, with_port: str) -> None:
    assert build_host(host, port, secure) == built
    assert build_host(host, port, secure, always_include_port=True) == with_port


@pytest.mark.parametrize(
    ("parse", "value", "expected"),
    [
        (parse_connection, "keep-alive, Upgrade", ["keep-alive", "Upgrade"]),
        (parse_connection, ",\t, close ,", ["close"]),
        (parse_upgrade, "h2c/1, websocket", ["h2c/1", "websocket"]),
        (parse_subprotocol, "a, b", ["a", "b"]),
        (parse_extension, 'x; a="b"; c, y', [("x", [("a", "b"), ("c", None)]), ("y", [])]),
    ],
)
def test_values(parse: Callable[[str], Any], value: str, expected: Any) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize("parse", [parse_connection, parse_upgrade, parse_subprotocol,
                                   parse_extension])  # fmt: skip
@pytest.mark.parametrize("value", ["", " ,", "a b", "a\x01", "é"])
def test_what_is_malformed(parse: Callable[[str], Any], value: str) -> None:
    with pytest.raises(InvalidHeaderFormat) as caught:
        parse(value)
    assert isinstance(caught.value, wscore.InvalidHeader)


def test_what_is_built_can_be_parsed() -> None:
    extensions: Any = [("x", [("a", "b"), ("c", None)]), ("y", [])]
    assert parse_extension(build_extension(extensions)) == extensions
    names: Any = ["chat", "superchat"]
    assert parse_subprotocol(build_subprotocol(names)) == names
    assert parse_extension_list is parse_extension


def test_subprotocols_to_offer() -> None:
    validate_subprotocols([])
    validate_subprotocols(["chat"])  # type: ignore[list-item]
    for wrong, kind in (("chat", TypeError), ({"chat": 1}, TypeError), (["a b"], ValueError)):
        with pytest.raises(kind):
            validate_subprotocols(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("pair", [("me", "word"), ("ü", "€:"), ("", ""), ("a", "\udcff")])
def test_credentials(pair: tuple[str, str]) -> None:
    assert parse_authorization_basic(build_authorization_basic(*pair)) == pair


def test_a_user_name_has_no_colon() -> None:
    with pytest.raises(ValueError, match="colon"):
        build_authorization_basic("a:b", "c")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Bearer secret", InvalidHeaderValue),
        ("Basic c2VjcmV0", InvalidHeaderValue),  # no colon in it
        ("Basic c2Vjc", InvalidHeaderValue),  # five digits
        ("Basic", InvalidHeaderFormat),
        ("Basic secret secret", InvalidHeaderFormat),
        ("Basic\tc2VjcmV0", InvalidHeaderFormat),
    ],
)
def test_what_are_no_credentials_does_not_show(value: str, kind: type[InvalidHeader]) -> None:
    with pytest.raises(kind) as caught:
        parse_authorization_basic(value)
    assert "secret" not in str(caught.value)
    assert "c2Vjc" not in str(caught.value)


def test_the_question_for_credentials() -> None:
    assert build_www_authenticate_basic('a "b"') == r'Basic realm="a \"b\"", charset="UTF-8"'
    with pytest.raises(ValueError, match="control"):
        build_www_authenticate_basic("a\r\nB: c")


def test_the_multi_dict_is_wscores() -> None:
    assert datastructures.Headers is wscore.Headers
    assert issubclass(datastructures.MultipleValuesError, LookupError)
