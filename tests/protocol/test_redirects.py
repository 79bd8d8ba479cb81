"""Where a redirection leads, and what may follow it."""

from __future__ import annotations

import sys

import pytest

from wscore import InvalidRedirect, Response
from wscore.errors import SecurityError
from wscore.protocol.headers import Headers
from wscore.protocol.redirects import Redirects, is_same_origin, target, without_credentials
from wscore.protocol.uri import parse_uri

HERE = "ws://user:secret@a.example/b/c?d"


def moved(*locations: str, status: int = 302) -> Response:
    return Response(status, "Found", Headers([("Location", value) for value in locations]))


@pytest.mark.parametrize(
    ("location", "expected"),
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
def test_where_it_leads(location: str, expected: str) -> None:
    found = target(parse_uri(HERE), moved(location))
    assert found[:4] == parse_uri(expected)[:4]


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
    found = target(here, moved(location))
    expected = ("user", "secret") if kept else (None, None)
    assert (found.username, found.password) == expected
    assert is_same_origin(here, found) is kept


@pytest.mark.parametrize("location", ["ws://a.example/", "http://a.example/", "http://b.example"])
def test_it_never_leads_away_from_tls(location: str) -> None:
    with pytest.raises(InvalidRedirect, match="from wss to ws"):
        target(parse_uri("wss://a.example/"), moved(location))


@pytest.mark.parametrize(
    "location",
    ["ftp://a/", "javascript:x", "https://", "http://a:99999/", "http://[::1",
     "file:///etc/passwd", "ws:///x", "ws://a b/", "mailto:x@y"],
)  # fmt: skip
def test_what_is_no_target(location: str) -> None:
    with pytest.raises(InvalidRedirect, match="302 is not followed: the location") as caught:
        target(parse_uri(HERE), moved(location))
    assert caught.value.response.status_code == 302
    assert caught.value.status == 302
    # What websockets raises, by the reason.
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, SecurityError)
    assert location not in str(caught.value)


@pytest.mark.parametrize("location", ["/x", "http://[fe80::1]/x", "ws://[FE80::1]:80/x"])
def test_a_zone_is_kept(location: str) -> None:
    """The server does not know it, so it cannot name it."""
    here = parse_uri("ws://me:word@[fe80::1%25eth0]/")
    assert target(here, moved(location)) == here._replace(path="/x")


def test_a_location_that_idna_is_missing_for(monkeypatch: pytest.MonkeyPatch) -> None:
    location = "http://fa\xc3\x9f.example/"  # UTF-8, read as ISO-8859-1
    assert target(parse_uri(HERE), moved(location)).host == "xn--fa-hia.example"
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(InvalidRedirect, match=r"pip install 'wscore-engine\[idna\]'"):
        target(parse_uri(HERE), moved(location))


def test_two_locations() -> None:
    with pytest.raises(InvalidRedirect, match="several"):
        target(parse_uri(HERE), moved("/a", "/b"))


def test_what_is_for_one_server_only() -> None:
    headers = {"Cookie": "a", "AUTHORIZATION": "b", "Host": "c", "Proxy-Authorization": "d",
               "X-Mine": "e"}  # fmt: skip
    assert without_credentials(headers) == Headers({"X-Mine": "e"})


# One after another -----------------------------------------------------------------------------


def redirects(**rules: bool) -> Redirects:
    return Redirects(parse_uri(HERE), {"Cookie": "a", "X-Mine": "b"}, **rules)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(300, True), (301, True), (302, True), (303, True), (307, True), (308, True),
     (200, False), (304, False), (305, False), (306, False), (401, False)],
)  # fmt: skip
def test_which_answers_redirect(status: int, expected: bool) -> None:
    way = redirects()
    assert way.follow(moved("/x", status=status)) is expected
    assert way.uri.path == ("/x" if expected else "/b/c?d")


def test_without_a_location_there_is_nowhere_to_go() -> None:
    assert not redirects(own_address=True, own_socket=True).follow(moved())


def test_each_is_relative_to_the_last_and_origins_do_not_get_credentials_back() -> None:
    way = redirects()
    assert way.follow(moved("e"))
    assert way.uri == parse_uri("ws://user:secret@a.example/b/e")
    assert Headers(way.headers)["Cookie"] == "a"
    assert way.follow(moved("//b.example/f/"))
    assert way.uri == parse_uri("ws://b.example/f/")
    assert way.follow(moved("g"))
    assert way.follow(moved("http://a.example/h"))
    assert way.uri == parse_uri("ws://a.example/h")
    assert way.headers == Headers({"X-Mine": "b"})


def test_ten_may_be_followed() -> None:
    way = redirects()
    for number in range(10):
        assert way.follow(moved(f"/{number}"))
    with pytest.raises(InvalidRedirect, match="there were 10 before"):
        way.follow(moved("/10"))
    assert way.uri.path == "/9"


def test_an_address_of_the_callers_is_not_left() -> None:
    way = redirects(own_address=True)
    assert way.follow(moved("/x"))
    with pytest.raises(InvalidRedirect, match="away from the address"):
        way.follow(moved("//b.example/"))
    assert way.uri.host == "a.example"


def test_a_socket_of_the_callers_is_used_up() -> None:
    with pytest.raises(InvalidRedirect, match="used up"):
        redirects(own_socket=True).follow(moved("/x"))


def test_what_leads_nowhere_is_not_followed() -> None:
    for wrong in (("ftp://a/",), ("/a", "/b")):
        with pytest.raises(InvalidRedirect):
            redirects().follow(moved(*wrong))
