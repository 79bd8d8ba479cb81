"""Headers, the grammars of their values, and what a hostile value costs."""

from __future__ import annotations

import contextlib
import copy
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.errors import InvalidHeader, InvalidMessage
from wscore.protocol.headers import (
    Headers,
    MultipleValuesError,
    Origins,
    build_authorization_basic,
    build_extensions,
    build_subprotocols,
    is_token,
    parse_authorization_basic,
    parse_connection,
    parse_extension_list,
    parse_extensions,
    parse_subprotocols,
    parse_upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=8)


# Headers


def test_names_ignore_case_and_keep_order() -> None:
    headers = Headers([("B", "1"), ("a", "2"), ("b", "3")])
    assert list(headers.raw_items()) == [("B", "1"), ("a", "2"), ("b", "3")]
    assert headers.get_all("b") == ["1", "3"]
    assert headers["A"] == "2"
    assert "a" in headers
    assert 1 not in headers
    assert list(headers) == ["b", "a"]
    assert len(headers) == 2


def test_one_value_is_asked_for() -> None:
    headers = Headers([("a", "1"), ("A", "2")])
    with pytest.raises(MultipleValuesError):
        headers["a"]
    with pytest.raises(MultipleValuesError):
        headers.get("a")
    with pytest.raises(KeyError):
        headers["b"]
    assert headers.get("b") is None
    assert headers.get_all("b") == []


def test_get_all_is_a_copy() -> None:
    headers = Headers(a="1")
    headers.get_all("a").append("2")
    assert headers["a"] == "1"


def test_setting_adds_and_deleting_removes_all() -> None:
    headers = Headers({"a": "1"}, b="2")
    headers["A"] = "3"
    assert headers.get_all("a") == ["1", "3"]
    del headers["a"]
    assert list(headers.raw_items()) == [("b", "2")]
    with pytest.raises(KeyError):
        del headers["a"]
    headers.clear()
    assert not headers
    assert list(headers.raw_items()) == []


def test_a_copy_is_equal_and_its_own() -> None:
    headers = Headers([("a", "1"), ("a", "2")])
    copy = headers.copy()
    assert copy == headers
    assert copy == Headers([("A", "1"), ("A", "2")])
    copy["a"] = "3"
    assert headers.get_all("a") == ["1", "2"]
    assert headers != copy
    assert headers != {"a": "1"}
    assert Headers(headers) == headers


def test_serialize_and_repr() -> None:
    headers = Headers([("X-Name", "\xe9"), ("b", "")])
    assert headers.serialize() == b"X-Name: \xe9\r\nb: \r\n\r\n"
    assert str(headers) == "X-Name: \xe9\r\nb: \r\n\r\n"
    assert repr(headers) == "Headers([('X-Name', '\xe9'), ('b', '')])"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\rb", "a\nb", "a\0", "\x7f", "\x1b", "\u0100"])
def test_a_value_that_would_inject_is_refused(value: str) -> None:
    headers = Headers()
    with pytest.raises(ValueError, match="cannot carry"):
        headers["a"] = value
    with pytest.raises(ValueError, match="cannot carry"):
        Headers(a=value)
    assert "a" not in headers


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "Set-Cookie"])
def test_an_error_does_not_tell_a_secret(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} header cannot carry the value given") as caught:
        Headers([(name, "s3cret\n")])
    assert "s3cret" not in str(caught.value)
    with pytest.raises(TypeError) as wrong:
        Headers([(name, b"s3cret")])  # type: ignore[list-item]
    assert "s3cret" not in str(wrong.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "\xe9", "a\0", " a", "(a)"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a token"):
        Headers([(name, "1")])


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        ("a:", [("a", "")]),
        ("a: \t ", [("a", "")]),
        ("a:b", [("a", "b")]),
        ("a:\t b \t", [("a", "b")]),
        ("a: b  c\td", [("a", "b  c\td")]),
        ("a: :b:", [("a", ":b:")]),
        ("a: \xff\x80", [("a", "\xff\x80")]),
        ("a: 1\r\nB: 2\r\nA: 3", [("a", "1"), ("B", "2"), ("A", "3")]),
        (f"{TOKEN_CHARACTERS}: x", [(TOKEN_CHARACTERS, "x")]),
    ],
)
def test_parse(text: str, items: list[tuple[str, str]]) -> None:
    headers = Headers.parse(text)
    assert list(headers.raw_items()) == items
    assert headers == Headers(items)


@pytest.mark.parametrize(
    "line",
    [
        "a",
        ": b",
        "a : b",
        " a: b",
        "\ta: b",
        "a b: c",
        "(a): b",
        "\xe9: b",
        "a: b\0",
        "a: b\rc: d",
        "a: b\nc: d",
        "a\n: b",
        "a: \x1b",
        "a: \x7f",
        "a: b\r\n folded",
        "a: b\r\n\tfolded: twice",
        "",
    ],
)
def test_parse_refuses(line: str) -> None:
    for text in (f"first: 1\r\n{line}", f"first: 1\r\n{line}\r\nlast: 2"):
        with pytest.raises(InvalidMessage) as caught:
            Headers.parse(text)
        assert caught.value.status == 400


# Lists


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        (["Upgrade"], ["Upgrade"]),
        (["keep-alive, Upgrade"], ["keep-alive", "Upgrade"]),
        (["keep-alive", "Upgrade"], ["keep-alive", "Upgrade"]),
        ([" ,a,\t, b ,,"], ["a", "b"]),
    ],
)
def test_connection(values: list[str], expected: list[str]) -> None:
    assert parse_connection(Headers([("Connection", value) for value in values])) == expected


@pytest.mark.parametrize("value", ["", ",", "a b", "a;b", '"a"', "a/b", "a, \xe9", "a, b c"])
def test_connection_refuses(value: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        parse_connection(Headers([("Connection", "good"), ("Connection", value)]))
    assert (caught.value.name, caught.value.value) == ("Connection", value)


def test_upgrade_takes_versions() -> None:
    assert parse_upgrade(Headers(Upgrade="h2c, HTTP/2.0, websocket")) == [
        "h2c",
        "HTTP/2.0",
        "websocket",
    ]
    for value in ("websocket/", "/1", "a/b/c", "web socket"):
        with pytest.raises(InvalidHeader):
            parse_upgrade(Headers(Upgrade=value))


def test_subprotocols() -> None:
    headers = Headers([("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "c")])
    assert parse_subprotocols(headers) == ["a", "b", "c"]
    assert build_subprotocols(["a", "b"]) == "a, b"
    for value in ("a, a", "a b", "", "a/b"):
        with pytest.raises(InvalidHeader):
            parse_subprotocols(Headers([("Sec-WebSocket-Protocol", value)]))


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a, b"], [""], ["a\r\nb"]])
def test_subprotocols_that_cannot_be_written(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"token|at least one"):
        build_subprotocols(names)


def test_subprotocols_are_a_list() -> None:
    with pytest.raises(TypeError, match="list"):
        build_subprotocols("chat")


# Extensions

EXTENSIONS = [
    ("a", [("a", [])]),
    ("a, b", [("a", []), ("b", [])]),
    (" , a ,, b, ", [("a", []), ("b", [])]),
    ("a;b", [("a", [("b", None)])]),
    ("a; b=c", [("a", [("b", "c")])]),
    ("a ;\tb = c ; d", [("a", [("b", "c"), ("d", None)])]),
    ('a; b="c"', [("a", [("b", "c")])]),
    ('a; b = "c" , d', [("a", [("b", "c")]), ("d", [])]),
    (r'a; b="\c\d"', [("a", [("b", "cd")])]),
    (
        "permessage-deflate; client_max_window_bits, permessage-deflate; server_max_window_bits=10",
        [
            ("permessage-deflate", [("client_max_window_bits", None)]),
            ("permessage-deflate", [("server_max_window_bits", "10")]),
        ],
    ),
]


@pytest.mark.parametrize(("value", "expected"), EXTENSIONS)
def test_extensions(value: str, expected: object) -> None:
    assert parse_extension_list(value) == expected
    twice = Headers([("Sec-WebSocket-Extensions", value)] * 2)
    assert parse_extensions(twice) == parse_extension_list(value) * 2


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        ";a",
        "a b",
        "a;",
        "a;;b",
        "a; =b",
        "a; b=",
        "a; b=,c",
        "a; b=c d",
        "a=b",
        'a; b="',
        'a; b="c',
        'a; b="c"d',
        'a; b=c"d"',
        'a; b=""',
        'a; b="c d"',  # RFC 6455 9.1: unquoted it must be a token
        'a; b="c,d"',
        'a; b="c;d"',
        r'a; b="\""',
        'a; "b"=c',
        '"a"',
        'a; b="c\\',
        "a, \xe9",
    ],
)
def test_extensions_refuse(value: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        parse_extension_list(value)
    assert caught.value.name == "Sec-WebSocket-Extensions"
    assert caught.value.value == value


def test_a_quoted_string_does_not_span_two_headers() -> None:
    halves = Headers([("Sec-WebSocket-Extensions", 'a; b="c'), ("Sec-WebSocket-Extensions", 'd"')])
    with pytest.raises(InvalidHeader):
        parse_extensions(halves)


@given(
    st.lists(
        st.tuples(tokens, st.lists(st.tuples(tokens, st.none() | tokens), max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_built_extensions_read_back(extensions: list[tuple[str, list[tuple[str, str | None]]]]):
    assert parse_extension_list(build_extensions(extensions)) == extensions


@pytest.mark.parametrize(
    "extension", [("", []), ("a b", []), ("a", [("", None)]), ("a", [("b", "c,d")])]
)
def test_extensions_that_cannot_be_written(extension: tuple[str, list[tuple[str, str]]]) -> None:
    with pytest.raises(ValueError, match="not a token"):
        build_extensions([extension])


@given(st.text(max_size=6))
def test_token(text: str) -> None:
    assert is_token(text) is (text != "" and set(text) <= set(TOKEN_CHARACTERS))


# Basic authentication


@pytest.mark.parametrize(
    ("username", "password", "value"),
    [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),  # RFC 7617 2
        ("test", "123£", "Basic dGVzdDoxMjPCow=="),  # RFC 7617 2.1
        ("", "", "Basic Og=="),
        ("a", "b:c", "Basic YTpiOmM="),
    ],
)
def test_basic(username: str, password: str, value: str) -> None:
    assert build_authorization_basic(username, password) == value
    assert parse_authorization_basic(value) == (username, password)
    assert parse_authorization_basic(value.replace("Basic ", "bASIC  ")) == (username, password)


@pytest.mark.parametrize(("username", "password"), [("a:b", ""), ("a\n", ""), ("a", "\x7f")])
def test_basic_refuses_to_write(username: str, password: str) -> None:
    with pytest.raises(ValueError, match="cannot contain"):
        build_authorization_basic(username, password)


@pytest.mark.parametrize(
    "value", ["", "Basic", "Basic YQ==", "Basic !", "Basic /w==", "Bearer QTpi", "Basic YTpiAA=="]
)
def test_basic_refuses_to_read(value: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        parse_authorization_basic(value)
    assert caught.value.status == 401


# What is not made of str


@pytest.mark.parametrize(
    "headers",
    ["ab", b"ab", ["ab"], ("ab", "cd"), [b"ab"], {"a": 1}, {"a": b"b"}, {1: "b"}, {"a": None},
     [("a", ["b"])]],
)  # fmt: skip
def test_headers_are_not_taken_letter_by_letter(headers: Any) -> None:
    with pytest.raises(TypeError, match="str"):
        Headers(headers)


def test_whatever_has_keys_is_a_mapping() -> None:
    class Fields:
        def keys(self) -> list[str]:
            return ["A", "b"]

        def __getitem__(self, name: str) -> str:
            return name * 2

    assert Headers(Fields()) == Headers({"A": "AA", "b": "bb"})


def test_a_copy_is_independent() -> None:
    headers = Headers({"a": "b"})
    for copied in (copy.copy(headers), copy.deepcopy(headers), headers.copy(),
                   pickle.loads(pickle.dumps(headers))):  # fmt: skip
        assert copied == headers
        copied["a"] = "c"
        assert headers.get_all("a") == ["b"]
        assert [*headers.raw_items()] == [("a", "b")]


# Cost: 8 KiB of the worst; anything quadratic takes a hundred times as long

HOSTILE = [
    "," * 8192,
    " " * 8192,
    ", " * 4096,
    "a," * 4096,
    "a;" * 4096,
    "a;b=" * 2048,
    "a" + " " * 8190 + "b",
    "a;" + " " * 8190 + "=",
    "a;b" + " " * 8188 + "=",
    "a; b=" + " " * 8186,
    'a; b="' + "\\a" * 4090,
    'a; b="' + "c" * 8186,
    '"' * 8192,
    "=" * 8192,
    "a; " + "b" * 8180 + "\x7f",
    "a " * 4095 + "\x7f",
    " " * 8191 + "\x7f",
    "a" + " " * 8190 + "\x7f",
]


def _swallow(parse: Callable[[str], object], value: str) -> None:
    with contextlib.suppress(InvalidHeader, InvalidMessage):
        parse(value)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value[:6]))
@pytest.mark.parametrize(
    "parse",
    [
        parse_extension_list,
        lambda value: parse_connection(Headers.parse("Connection: " + value)),
        lambda value: parse_subprotocols(Headers.parse("Sec-WebSocket-Protocol: " + value)),
        lambda value: Headers.parse(value),
        lambda value: Headers.parse("a:" + value),
        parse_authorization_basic,
        lambda value: value in Origins([]),
    ],
    ids=["extensions", "connection", "subprotocols", "names", "values", "basic", "origin"],
)
def test_a_hostile_value_costs_one_pass(parse: Callable[[str], object], value: str) -> None:
    costs = []
    for _ in range(5):
        began = time.process_time()
        _swallow(parse, value)
        costs.append(time.process_time() - began)
    assert min(costs) < 0.005
