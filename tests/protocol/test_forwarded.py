"""Who the client behind trusted proxies is, and whom nobody believes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import heads

from wscore.protocol.forwarded import (
    MAX_HOPS,
    Client,
    ForwardingFields,
    TrustedProxies,
    canonical_address,
    find_client,
)
from wscore.protocol.headers import Headers
from wscore.protocol.http11 import RequestParser

TRUSTED = TrustedProxies(["10.0.0.0/8", "fd00::/8", "unix:"])
PROXY = ("10.0.0.1", 4711)
REAL = "203.0.113.7"


def x_for(*lines: str, peer: Any = PROXY) -> Any:
    found = find_client(peer, ForwardingFields(x_for=lines), TRUSTED)
    assert found is not None
    return found.address


def forwarded(*lines: str) -> Client:
    found = find_client(PROXY, ForwardingFields(forwarded=lines), TRUSTED)
    assert found is not None
    return found


# Trust ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peername", "is_trusted"),
    [
        (("10.1.2.3", 1), True),
        (("11.1.2.3", 1), False),
        (("::ffff:10.1.2.3", 1, 0, 0), True),  # on a socket for both kinds of addresses
        (("::ffff:11.1.2.3", 1, 0, 0), False),
        (("fd00::1", 1, 0, 0), True),
        (("fd00::1%eth0", 1, 0, 2), True),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("not an address", 1), False),
        ("", True),  # a client of a unix socket has no path
        ("/run/client.sock", True),
        (None, False),  # gone already
    ],
)
def test_who_is_trusted(peername: Any, is_trusted: bool) -> None:
    assert (peername in TRUSTED) is is_trusted


def test_unix_sockets_are_trusted_only_when_it_is_said() -> None:
    assert "" not in TrustedProxies(["0.0.0.0/0", "::/0"])
    assert "" in TrustedProxies(["unix:"])


def test_ipv4_written_as_ipv6_is_ipv4() -> None:
    trusted = TrustedProxies(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"])
    assert ("10.1.2.3", 1) in trusted
    assert ("::ffff:10.1.2.3", 1, 0, 0) in trusted
    assert ("11.1.2.3", 1) not in trusted
    assert ("192.0.2.1", 1) in trusted
    # All of IPv6 has IPv4 in it, but whoever writes that means IPv6.
    assert ("10.1.2.3", 1) not in TrustedProxies(["::/0"])


def test_single_addresses_and_none_at_all() -> None:
    assert ("192.0.2.1", 1) in TrustedProxies(("192.0.2.1",))
    assert ("192.0.2.2", 1) not in TrustedProxies(("192.0.2.1",))
    assert not TrustedProxies([])
    assert PROXY not in TrustedProxies([])
    assert TrustedProxies(["unix:"])
    assert TrustedProxies(["::1"])


@pytest.mark.parametrize(
    ("proxies", "error"),
    [
        ("10.0.0.0/8", TypeError),
        ([10], TypeError),
        (None, TypeError),
        (["10.0.0.1/8"], ValueError),  # bits behind the prefix
        (["10.0.0.0/33"], ValueError),
        (["proxy.example.com"], ValueError),
        (["unix:/run/nginx.sock"], ValueError),
        ([""], ValueError),
    ],
)
def test_bad_lists_of_proxies(proxies: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="trusted_proxies must be a list of addresses"):
        TrustedProxies(proxies)


# X-Forwarded-For --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.7"], ("203.0.113.7", 0)),
        (["203.0.113.7:1234"], ("203.0.113.7", 1234)),
        ([" 203.0.113.7\t"], ("203.0.113.7", 0)),
        (["2001:DB8::0:1"], ("2001:db8::1", 0)),
        (["[2001:db8::1]"], ("2001:db8::1", 0)),
        (["[2001:db8::1]:443"], ("2001:db8::1", 443)),
        (["::ffff:203.0.113.7"], ("203.0.113.7", 0)),
        # What the client sent itself stands left of its address.
        (["1.1.1.1, 203.0.113.7"], ("203.0.113.7", 0)),
        (["10.0.0.9, 203.0.113.7"], ("203.0.113.7", 0)),
        # Further trusted proxies.
        (["203.0.113.7, 10.0.0.3, 10.0.0.2"], ("203.0.113.7", 0)),
        (["1.1.1.1, 203.0.113.7, 10.0.0.2:80,fd00::5"], ("203.0.113.7", 0)),
        (["203.0.113.7", "10.0.0.2"], ("203.0.113.7", 0)),
        (["1.1.1.1", "203.0.113.7, 10.0.0.3", "10.0.0.2"], ("203.0.113.7", 0)),
        (["203.0.113.7,, ,10.0.0.2,"], ("203.0.113.7", 0)),
        # A client of the trusted network.
        (["10.0.0.9"], ("10.0.0.9", 0)),
        (["10.0.0.9, 10.0.0.2"], ("10.0.0.9", 0)),
    ],
)
def test_the_first_from_the_right_that_is_not_trusted(
    lines: list[str], address: tuple[str, int]
) -> None:
    assert x_for(*lines) == address
    assert x_for(*lines, peer="") == address


MALFORMED = [
    "unknown", "_hidden", "nonsense", "203.0.113", "203.0.113.256", "203.0.113.7.1", "0x7f.0.0.1",
    "010.0.0.1", "203.0.113.7:", "203.0.113.7:65536", "203.0.113.7:123456", "203.0.113.7:-1",
    "203.0.113.7:٣", "[2001:db8::1", "2001:db8::1]", "[203.0.113.7]", "[::1]80", "[::1%1]:80",
    "fe80::1%eth0", "::1::2", "2001:db8", '"203.0.113.7"', "203.0.113.7 10.0.0.2", "dead", "/run/x",
    "1" * 200, "[]", ":", "203.0.113.7;by=1",
]  # fmt: skip


@pytest.mark.parametrize("element", MALFORMED)
def test_what_is_no_address_ends_the_way(element: str) -> None:
    """Then the client is the proxy that wrote it, whatever stands left of it."""
    assert x_for(element) == PROXY
    assert x_for(f"1.1.1.1, {element}") == PROXY
    assert x_for("1.1.1.1", f"{element}, 10.0.0.2") == ("10.0.0.2", 0)


def test_nobody_else_is_believed() -> None:
    for peer in (("192.0.2.1", 5), None, ("::ffff:192.0.2.1", 5, 0, 0)):
        fields = ForwardingFields(["1.1.1.1"], ["https"], ["for=1.1.1.1;proto=https"])
        assert find_client(peer, fields, TRUSTED) is None
    assert find_client("", ForwardingFields(["1.1.1.1"]), TrustedProxies(["::/0"])) is None


def test_no_fields_at_all() -> None:
    assert find_client(PROXY, ForwardingFields(), TRUSTED) == Client(PROXY)
    assert x_for("") == PROXY
    assert x_for(", ,") == PROXY


def test_long_lists_are_read_to_a_bound() -> None:
    hops = [f"10.0.1.{number}" for number in range(MAX_HOPS)]
    assert x_for(", ".join([REAL, *hops[1:]])) == (REAL, 0)
    # One more, and the last that was read counts.
    assert x_for(", ".join([REAL, *hops])) == (hops[0], 0)
    assert x_for(REAL, *hops) == (hops[0], 0)
    elements = [f"for={hop}" for hop in hops]
    assert forwarded(f"for={REAL}", *elements).address == (hops[0], 0)
    assert forwarded(", ".join([f"for={REAL}", *elements[1:]])).address == (REAL, 0)
    assert forwarded(", ".join([f"for={REAL}", *elements])).address == (hops[0], 0)


@pytest.mark.parametrize("piece", [",", " ,", "10.0.0.2,", '"', '",', "for=10.0.0.2,", ";", "a=b;"])
def test_work_is_bounded(piece: str) -> None:
    """A head of 4 MiB, the most that can be allowed, takes no quadratic time."""
    long = piece * ((1 << 22) // len(piece))
    for value in (long, long + "10.0.0.2", "10.0.0.2" + long):
        assert x_for(value)[0].startswith("10.0.")
        assert forwarded(value).address[0].startswith("10.0.")


# X-Forwarded-Proto ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        (["https"], "wss"), (["http"], "ws"), (["wss"], "wss"), (["ws"], "ws"), (["HTTPS"], "wss"),
        (["https, http"], "ws"), (["http", "https"], "wss"), (["http,https "], "wss"),
        (["ftp"], None), ([""], None), (["https,"], None), ([], None),
    ],
)  # fmt: skip
def test_the_scheme_that_the_nearest_proxy_says(lines: list[str], scheme: str | None) -> None:
    fields = ForwardingFields([REAL], lines)
    assert find_client(PROXY, fields, TRUSTED) == Client((REAL, 0), scheme)
    assert find_client(PROXY, fields._replace(x_for=()), TRUSTED) == Client(PROXY, scheme)


# Forwarded --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "address", "scheme"),
    [
        (["for=203.0.113.7"], (REAL, 0), None),
        (["For=203.0.113.7;Proto=HTTPS;by=10.0.0.1"], (REAL, 0), "wss"),
        (['for="203.0.113.7:1234";proto=http'], (REAL, 1234), "ws"),
        (['for="203.0.113.7:_port"'], (REAL, 0), None),
        (['for="[2001:db8:cafe::17]:4711"'], ("2001:db8:cafe::17", 4711), None),
        # Seen in the wild, without the quotes that RFC 7239 demands.
        (["for=[2001:db8::1]:80;proto=https"], ("2001:db8::1", 80), "wss"),
        (["for=203.0.113.7:80 ; proto=wss ; host=a.example"], (REAL, 80), "wss"),
        (["for=1.1.1.1;proto=https, for=203.0.113.7;proto=http"], (REAL, 0), "ws"),
        (["for=203.0.113.7;proto=https, for=10.0.0.2;proto=http"], (REAL, 0), "wss"),
        (["for=203.0.113.7;proto=https", "for=10.0.0.2;proto=http"], (REAL, 0), "wss"),
        (["for=203.0.113.7;proto=https, for=10.0.0.2"], (REAL, 0), "wss"),
        (["for=203.0.113.7, for=10.0.0.2;proto=http"], (REAL, 0), None),
        (['for=203.0.113.7;note="a, b; c";proto=https'], (REAL, 0), "wss"),
        # What the client sent may be anything, with quotes that nobody closes.
        (['for=", for=203.0.113.7'], (REAL, 0), None),
        (['for="1.1.1.1, for="[2001:db8::1]:80"'], ("2001:db8::1", 80), None),
        (["for=203.0.113.7;;", ", ,"], (REAL, 0), None),
    ],
)
def test_elements_of_forwarded(
    lines: list[str], address: tuple[str, int], scheme: str | None
) -> None:
    assert forwarded(*lines) == Client(address, scheme)


@pytest.mark.parametrize(
    "element",
    ["for=unknown", "for=_hidden", 'for="_gazonk"', "by=10.0.0.1", "for=", "for", "nonsense",
     "for=203.0.113.7;for=203.0.113.8", "for=203.0.113.7;FOR=203.0.113.7", 'for="203.0.113.7',
     'for=203.0.113.7"', r'for="203.0.113.\7"', "for =203.0.113.7", "for=203.0.113.7 by=1",
     "for=203.0.113.7;note=" + "b" * 2100, "for=203.0.113.7;=a", 'for=203.0.113.7;a="b"c',
     "203.0.113.7"],
)  # fmt: skip
def test_elements_without_a_usable_address(element: str) -> None:
    assert forwarded(element).address == PROXY
    assert forwarded("for=1.1.1.1", f"{element}").address == PROXY
    assert forwarded(f"for=1.1.1.1, {element}").address == PROXY
    assert forwarded(element, "for=10.0.0.2").address == ("10.0.0.2", 0)


def test_the_scheme_counts_where_the_address_is_hidden() -> None:
    assert forwarded("for=unknown;proto=https") == Client(PROXY, "wss")


# Both -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x_proto", "element", "expected"),
    [
        ([], "for=203.0.113.7", Client((REAL, 0))),
        ([], 'for="203.0.113.7:80";proto=https', Client((REAL, 80), "wss")),
        (["https"], "for=203.0.113.7", Client((REAL, 0), "wss")),
        (["https"], "for=203.0.113.7;proto=https", Client((REAL, 0), "wss")),
        # One of them comes from the client, and nobody knows which.
        ([], "for=1.1.1.1", Client(PROXY, contradictory=True)),
        (["https"], "for=unknown", Client(PROXY, contradictory=True)),
        ([], "nonsense", Client(PROXY, contradictory=True)),
        (["http"], "for=203.0.113.7;proto=https", Client((REAL, 0), contradictory=True)),
    ],
)
def test_both_have_to_agree(x_proto: list[str], element: str, expected: Client) -> None:
    assert find_client(PROXY, ForwardingFields([REAL], x_proto, [element]), TRUSTED) == expected


def test_a_unix_socket_whose_fields_contradict_each_other() -> None:
    fields = ForwardingFields([REAL], (), ["for=1.1.1.1"])
    assert find_client("", fields, TRUSTED) == Client("", contradictory=True)


# Where they stand ---------------------------------------------------------------------------------


LINES = (
    ("X-Forwarded-For", "1.1.1.1,  2.2.2.2"), ("x-forwarded-proto", "https \t"),
    ("FORWARDED", "for=1.1.1.1"), ("X-Forwarded-For", ""), ("X-Forwarded-Forx", "no"),
    ("X-Forwarded", "no"), ("Forwarded-For", "no"), ("Note", "Forwarded: no"),
    ("forwarded", "\t for=2.2.2.2;a=\xe9"),
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_both_ways_to_find_them(lines: list[tuple[str, str]]) -> None:
    """The fast path looks for them in the bytes of the head, the slow path in its headers."""
    written = "".join(f"{name}: {value}\r\n" for name, value in lines)
    head = f"GET /?Forwarded:=a HTTP/1.1\r\nHost: a\r\n{written}\r\n".encode("latin-1")
    request = RequestParser().feed(head)
    assert request is not None
    found = ForwardingFields.of_headers(request.headers)
    assert [list(values) for values in ForwardingFields.of_head(head)] == list(map(list, found))


def test_the_fields_of_a_head_without_any() -> None:
    request = heads.request()
    assert not any(ForwardingFields.of_head(request.serialize()))
    assert not any(ForwardingFields.of_headers(Headers()))


# Whatever is sent -------------------------------------------------------------------------------


@given(
    st.lists(st.text(st.sampled_from('10.:[]fd,;="\\ \tfor=proto_unkow%'), max_size=40), max_size=3)
)
def test_no_garbage_moves_what_the_proxy_wrote(garbage: list[str]) -> None:
    """Whatever the client sends, the proxy adds its address at the right: that one counts."""
    assert x_for(*garbage, REAL) == (REAL, 0)
    assert x_for(", ".join([*garbage, REAL])) == (REAL, 0)
    assert forwarded(*garbage, f"for={REAL};proto=https") == Client((REAL, 0), "wss")
    joined = ", ".join([*garbage, 'for="[2001:db8::1]:80";proto=http'])
    assert forwarded(joined) == Client(("2001:db8::1", 80), "ws")


def test_many_lists_at_random_name_a_client_in_usual_form() -> None:
    generator = random.Random(1)
    for _ in range(300):
        line = "".join(generator.choices("10.2:[]abf, ", k=generator.randrange(40)))
        host, port = x_for(line)
        assert canonical_address(host, 6 if ":" in host else 4) == host
        assert 0 <= port <= 65535


@pytest.mark.parametrize(
    ("text", "version", "found"),
    [
        ("127.0.0.1", 4, "127.0.0.1"), ("127.0.0.1", 6, None), ("::1", 4, None), ("::", 6, "::"),
        ("2001:DB8:0::1", 6, "2001:db8::1"), ("::ffff:1.2.3.4", 6, "1.2.3.4"), ("", 4, None),
        ("fe80::1%1", 6, None), ("a", 6, None),
    ],
)  # fmt: skip
def test_the_usual_form_of_an_address(text: str, version: int, found: str | None) -> None:
    assert canonical_address(text, version) == found
