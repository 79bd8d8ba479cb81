"""Hosts: names as browsers write them in ASCII, and what of an address peers may see."""

from __future__ import annotations

import sys

import pytest

from wscore import InvalidURI
from wscore.protocol.hosts import (
    ascii_host,
    ascii_name,
    host_and_port,
    split_host_and_port,
    tls_name,
    without_zone,
)
from wscore.protocol.proxy import Proxy


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        # IDNA 2003 goes to other owners: fass, and a final sigma and a joiner are lost.
        ("faß.example", "xn--fa-hia.example"),
        ("FAẞ.example", "xn--fa-hia.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3.example", "xn--10cl1a0b660p.example"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
        # Not in IDNA 2008, but in UTS 46: browsers go there.
        ("☃.example", "xn--n3h.example"),
        ("I♥NY.example", "xn--iny-zx5a.example"),
        ("日本語。\uff2a\uff30", "xn--wgv71a119e.jp"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("a\u00adb.example", "ab.example"),
        ("XN--BCHER-KVA.Example", "xn--bcher-kva.example"),
        ("bücher.example.", "xn--bcher-kva.example."),
        ("_dmarc.ü.example", "_dmarc.xn--tda.example"),
        ("a--b.-c.example", "a--b.-c.example"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert ascii_name(name) == expected
    assert ascii_host("".join(f"%{byte:02X}" for byte in name.encode())) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        "ü..b",
        "\u00ad",
        "\u00ad.example",
        "a" * 64,
        "ü" * 64,
        "a." * 127 + "b",
        "\u0301a.example",  # begins with a mark
        "a\u200db.example",  # a joiner that joins nothing
        "a\u200cb.example",
        "\u05d0a.example",  # right to left, and back
        "xn--ü.example",
        "\u2100.example",  # UTS 46 writes it with a slash
        "\uff05.example",  # and this with a percent sign
        "\u3000.example",
        "a\u2028.example",
        "\ue000.example",  # for private use
        "\ud800.example",
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InvalidURI):
        ascii_name(name)


@pytest.mark.parametrize("dot", ["", "."])
def test_the_length_of_a_name(dot: str) -> None:
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(longest) == 253
    assert ascii_name(longest + dot) == longest + dot
    for long in (longest + "b" + dot, "a" * 64 + dot, longest[1:] + ".c" + dot):
        with pytest.raises(InvalidURI):
            ascii_name(long)


def test_an_error_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    advice = r"pip install 'wscore-engine\[idna\]'"
    for host in ("faß.example", "fa%C3%9F.example"):
        with pytest.raises(InvalidURI, match=advice) as caught:
            ascii_host(host)
        assert isinstance(caught.value.__cause__, ImportError)
    with pytest.raises(InvalidURI, match=advice):
        Proxy.parse("http://me:secret@faß.example")
    assert ascii_host("xn--fa-hia.example") == "xn--fa-hia.example"


@pytest.mark.parametrize(
    ("host", "seen", "tls"),
    [
        ("a.example", "a.example", "a.example"),
        ("a.example.", "a.example.", "a.example"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("fe80::1", "fe80::1", "fe80::1"),
        ("fe80::1%eth0", "fe80::1", "fe80::1"),
        ("fe80::1%a.b.", "fe80::1", "fe80::1"),
    ],
)
def test_what_peers_see(host: str, seen: str, tls: str) -> None:
    assert (without_zone(host), tls_name(host)) == (seen, tls)


@pytest.mark.parametrize(
    ("text", "host"),
    [("127.0.0.1:80", "127.0.0.1"), ("a.example:80", "a.example"), ("[::1]:80", "::1")],
)
def test_a_host_and_a_port(text: str, host: str) -> None:
    assert split_host_and_port(text) == (host, "80")
    assert host_and_port(host, 80) == text


@pytest.mark.parametrize(
    "text", ["", "80", ":80", "a", "a:", "[]:80", "::1:80", "[a]:80", "[::1:80", "::1]:80", "[::1]"]
)
def test_what_is_no_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="not HOST:PORT"):
        split_host_and_port(text)
