"""Where a redirection leads, and what may follow it."""

from __future__ import annotations

import pytest

from wscore import InvalidRedirect, Response
from wscore.protocol.headers import Headers
from wscore.protocol.redirects import follow, is_redirect, is_same_origin, without_credentials
from wscore.protocol.uri import parse_uri

HERE = "ws://user:secret@a.example/b/c?d"


def moved(*locations: str, status: int = 302) -> Response:
    return Response(status, "Found", Headers([("Location", value) for value in locations]))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(301, True), (302, True), (303, True), (307, True), (308, True),
     (200, False), (300, False), (304, False), (305, False), (306, False), (401, False)],
)  # fmt: skip
def test_which_answers_redirect(status: int, expected: bool) -> None:
    assert is_redirect(moved("/", status=status)) is expected


def test_without_a_location_there_is_nowhere_to_go() -> None:
    assert not is_redirect(moved())


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", "ws://a.example/x"),
        ("x?y", "ws://a.example/b/x?y"),
        ("?y", "ws://a.example/b/c?y"),
        ("../x", "ws://a.example/x"),
        ("//b.example/x", "ws://b.example/x"),
        ("http://b.example:8080/x", "ws://b.example:8080/x"),
        ("https://a.example/x", "wss://a.example/x"),
        ("WSS://a.example/x", "wss://a.example/x"),
        ("ws://a.example/x#fragment", "ws://a.example/x"),
        ("/x#", "ws://a.example/x"),
        ("ws://[::1]/", "ws://[::1]/"),
        ("/caf\xc3\xa9", "ws://a.example/caf%C3%A9"),
        ("/%C3%A9?a=%20", "ws://a.example/%C3%A9?a=%20"),
    ],
)
def test_where_it_leads(location: str, target: str) -> None:
    found = follow(parse_uri(HERE), moved(location))
    assert found[:4] == parse_uri(target)[:4]


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/x", True),
        ("http://a.example:80/", True),
        ("http://A.EXAMPLE/", True),
        ("ws://other:word@a.example/", True),
        ("http://a.example:81/", False),
        ("https://a.example/", False),
        ("http://b.example/", False),
        ("ws://other:word@b.example/", False),
    ],
)
def test_credentials_stay_with_their_origin(location: str, kept: bool) -> None:
    here = parse_uri(HERE)
    found = follow(here, moved(location))
    expected = ("user", "secret") if kept else (None, None)
    assert (found.username, found.password) == expected
    assert is_same_origin(here, found) is kept


@pytest.mark.parametrize("location", ["ws://a.example/", "http://a.example/", "http://b.example"])
def test_it_never_leads_away_from_tls(location: str) -> None:
    with pytest.raises(InvalidRedirect, match="from wss to ws"):
        follow(parse_uri("wss://a.example/"), moved(location))


@pytest.mark.parametrize(
    "location",
    ["ftp://a/", "javascript:x", "https://", "http://a:99999/", "http://[::1",
     "file:///etc/passwd", "ws:///x", "ws://a b/", "mailto:x@y"],
)  # fmt: skip
def test_what_is_no_target(location: str) -> None:
    with pytest.raises(InvalidRedirect, match="302 is not followed: the location") as caught:
        follow(parse_uri(HERE), moved(location))
    assert caught.value.response.status_code == 302
    assert caught.value.status == 302
    assert location not in str(caught.value)


def test_two_locations() -> None:
    with pytest.raises(InvalidRedirect, match="several"):
        follow(parse_uri(HERE), moved("/a", "/b"))


def test_what_is_for_one_server_only() -> None:
    headers = {"Cookie": "a", "AUTHORIZATION": "b", "Host": "c", "Proxy-Authorization": "d",
               "X-Mine": "e"}  # fmt: skip
    assert without_credentials(headers) == Headers({"X-Mine": "e"})
