"""Requests that are HTTP, and right or wrong as opening handshakes (RFC 6455 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

from support.heads import ACCEPT, KEY

from ..vocabulary import Case, accepts, head, refuses, reply

__all__ = ["CASES"]

_RULE = "RFC 6455 4.2.1"


def _request_lines() -> Iterator[Case]:
    for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "get", "GETS"):
        data = head(line=f"{method} / HTTP/1.1")
        yield refuses(f"method {method}", _RULE, (405, 400), data)
    yield refuses("HTTP/1.0", _RULE, (426, 400), head(line="GET / HTTP/1.0"))
    for version in ("HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/1.2"):
        data = head(line=f"GET / {version}")
        yield refuses(f"version {version}", "RFC 9112 2.3", (505, 400), data, ours=True)


def _required_headers() -> Iterator[Case]:
    statuses = {
        "Host": (400,),
        "Upgrade": (426, 400),
        "Connection": (426, 400),
        "Sec-WebSocket-Key": (400,),
        "Sec-WebSocket-Version": (426, 400),
    }
    for name, allowed in statuses.items():
        yield refuses(f"without {name}", _RULE, allowed, head((name, None)))
        data = head(*reply(name, ""))
        yield refuses(f"{name} is empty", _RULE, allowed, data, ours=name == "Host")
    yield refuses("Host twice", "RFC 9112 3.2", 400, head(("Host", "other.example")))
    yield refuses("key twice", "RFC 6455 11.3.1", 400, head(("Sec-WebSocket-Key", KEY)))
    version = head(("Sec-WebSocket-Version", "13"))
    yield refuses("version twice", "RFC 6455 11.3.5", (400, 426), version)


def _upgrade_tokens() -> Iterator[Case]:
    for name, value in {
        "another protocol": "h2c",
        "a longer word": "websockets",
        "a word that contains it": "notwebsocket",
        "no separator": "websocket h2c",
        "quoted": '"websocket"',
    }.items():
        data = head(*reply("Upgrade", value))
        yield refuses(f"Upgrade is {name}", f"{_RULE}, whole token", (426, 400), data)
    for name, value in {
        "keep-alive": "keep-alive",
        "close": "close",
        "a longer word": "upgrades",
        "a word that contains it": "no-upgrade",
        "no separator": "keep-alive Upgrade",
    }.items():
        data = head(*reply("Connection", value))
        yield refuses(f"Connection is {name}", f"{_RULE}, whole token", (426, 400), data)
    for name, values in {
        "as Firefox sends it": ("keep-alive, Upgrade",),
        "in capitals": ("UPGRADE",),
        "without spaces": ("keep-alive,upgrade",),
        "with tabs": ("keep-alive\t,\tUpgrade",),
        "in two lines": ("keep-alive", "Upgrade"),
        "with empty elements": (", ,Upgrade,",),
    }.items():
        yield accepts(f"Connection {name}", _RULE, head(*reply("Connection", *values)))
    yield accepts("Upgrade in capitals", _RULE, head(*reply("Upgrade", "WebSocket")))
    yield accepts("Upgrade in a list", "RFC 9110 7.8", head(*reply("Upgrade", "h2c, websocket")),
                  ours=True)  # fmt: skip


def _keys() -> Iterator[Case]:
    for name, key in {
        "of 15 bytes": "AAAAAAAAAAAAAAAAAAAA",
        "of 17 bytes": "AAAAAAAAAAAAAAAAAAAAAAA=",
        "of 1 byte": "AA==",
        "of 4000 digits": "A" * 4000,
        "that is not base64": "!" * 22 + "==",
        "without padding": KEY[:-2],
        "with a space": KEY[:5] + " " + KEY[6:],
        "with another alphabet": "-_" * 11 + "==",
        "with set bits in the padding": KEY[:-3] + "R==",
        "with letters past the padding": KEY + "AAAA",
        "that is two in a list": f"{KEY}, {KEY}",
    }.items():
        strict = name == "with set bits in the padding"
        rule = "RFC 4648 3.5" if strict else _RULE
        data = head(*reply("Sec-WebSocket-Key", key))
        yield refuses(f"key {name}", rule, 400, data, ours=strict)
    yield accepts("the key of the RFC", "RFC 6455 1.3", head(),
                  headers={"sec-websocket-accept": ACCEPT})  # fmt: skip


def _versions() -> Iterator[Case]:
    for version in ("0", "7", "8", "12", "14", "25", "255"):
        data = head(*reply("Sec-WebSocket-Version", version))
        # A server may speak the drafts 7 and 8, whose frames are the same.
        yield refuses(f"version {version}", "RFC 6455 4.4", 426, data, ours=version in "78")
    owed = {"sec-websocket-version": "13"}
    yield refuses("version 99, and what is spoken here", "RFC 6455 4.2.2", 426,
                  head(*reply("Sec-WebSocket-Version", "99")), headers=owed)  # fmt: skip
    for name, version in {
        "a list": "13, 8", "with a zero": "013", "with a sign": "+13", "in quotes": '"13"',
        "a fraction": "13.0", "hexadecimal": "0xD", "huge": "1" * 5000,
    }.items():  # fmt: skip
        data = head(*reply("Sec-WebSocket-Version", version))
        yield refuses(f"version {name}", "RFC 6455 4.2.1, 4.4", (426, 400), data)


def _origins() -> Iterator[Case]:
    """The server serves https://good.example and nobody else."""
    rule = "RFC 6455 10.2, RFC 6454 5; cross-site hijacking"
    for name, origin in {
        "another": "https://evil.example",
        "a longer host": "https://good.example.evil.example",
        "a longer name": "https://evil-good.example",
        "a sub-domain": "https://www.good.example",
        "another scheme": "http://good.example",
        "another port": "https://good.example:8443",
        "null": "null",
        "a wildcard": "*",
        "with user information": "https://good.example@evil.example",
        "with a path": "https://good.example/",
        "with a fragment": "https://evil.example#https://good.example",
        "a dot for any letter": "https://goodxexample",
        "empty": "",
        "a list": "https://good.example, https://evil.example",
        "two in a list of RFC 6454": "https://good.example https://evil.example",
    }.items():
        data = head(("Origin", origin))
        yield refuses(f"origin {name}", rule, 403, data, ours=True, guarded=True)
    yield refuses("no origin", rule, 403, head(), ours=True, guarded=True)
    twice = head(("Origin", "https://good.example"), ("Origin", "https://evil.example"))
    yield refuses("two origins", rule, (400, 403), twice, ours=True, guarded=True)
    for origin in ("https://good.example", "HTTPS://GOOD.example", "https://good.example:443"):
        yield accepts(f"the origin as {origin}", rule, head(("Origin", origin)), ours=True,
                      guarded=True)  # fmt: skip


CASES = [
    case
    for table in (_request_lines, _required_headers, _upgrade_tokens, _keys, _versions, _origins)
    for case in table()
]
