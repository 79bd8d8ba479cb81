"""The syntax and the size of request heads (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterator

from ..vocabulary import Case, accepts, drops, head, refuses

__all__ = ["CASES"]

_LINES = head()[:-2]


def _with(line: bytes) -> bytes:
    """A request with one more line, as it stands."""
    return _LINES + line + b"\r\n\r\n"


def _lines() -> Iterator[Case]:
    for name, line, rule, ours in (
        ("a space before the colon", b"X-A : b", "RFC 9112 5.1", False),
        ("a space before the colon of Host", b"Host : other.example", "RFC 9112 5.1", False),
        ("a tab before the colon", b"X-A\t: b", "RFC 9112 5.1", False),
        ("a folded line", b"X-A: b\r\n c", "RFC 9112 5.2", True),
        ("a folded first line", b" X-A: b", "RFC 9112 2.2", True),
        ("a line without a colon", b"X-A", "RFC 9112 5", True),
        ("a header without a name", b": b", "RFC 9112 5", True),
        ("NUL in a value", b"X-A: a\0b", "RFC 9110 5.5", True),
        ("CR in a value", b"X-A: a\rb", "RFC 9110 5.5, RFC 9112 2.2", True),
        ("DEL in a value", b"X-A: a\x7fb", "RFC 9110 5.5", True),
        ("a bell in a value", b"X-A: a\x07b", "RFC 9110 5.5", True),
        ("NUL in a name", b"X-\0A: b", "RFC 9110 5.1", True),
        ("a space in a name", b"X A: b", "RFC 9110 5.1", True),
        ("a bracket in a name", b"X(A): b", "RFC 9110 5.1", True),
        ("bytes over 127 in a name", "X-Ä: b".encode(), "RFC 9110 5.1", True),
        ("a bare LF between headers", b"X-A: a\nX-B: b", "RFC 9112 2.2", True),
        ("a bare CR between headers", b"X-A: a\rX-B: b", "RFC 9112 2.2", True),
        ("CR CR LF", b"X-A: a\r", "RFC 9112 2.2", True),
    ):
        yield refuses(name, rule, 400, _with(line), ours=ours)
    yield refuses("bare LF everywhere", "RFC 9112 2.2", 400, head().replace(b"\r\n", b"\n"),
                  ours=True)  # fmt: skip
    yield refuses("a bare LF ends the head", "RFC 9112 2.2", 400, _LINES + b"\n", ours=True)
    yield refuses("an empty line first", "RFC 9112 2.2", 400, b"\r\n" + head(), ours=True)
    for name, line in {
        "bytes over 127 in a value": "X-A: Ä".encode(),
        "no space after the colon": b"X-A:b",
        "tabs around a value": b"X-A:\t b \t",
        "an empty value": b"X-A:",
        "colons in a value": b"X-A: :b:",
    }.items():
        yield accepts(name, "RFC 9112 5", _with(line))


def _request_lines() -> Iterator[Case]:
    lines: dict[str, tuple[bytes, tuple[int, ...], bool]] = {
        "no version": (b"GET /", (400,), False),
        "HTTP/1.1 in lower case": (b"GET / http/1.1", (400,), False),
        "version of two digits": (b"GET / HTTP/1.10", (400, 505), True),
        "version with letters": (b"GET / HTTP/1.x", (400,), True),
        "another protocol": (b"GET / RTSP/1.0", (400, 505), False),
        "two spaces": (b"GET  / HTTP/1.1", (400,), True),
        "a tab": (b"GET\t/\tHTTP/1.1", (400,), True),
        "space at the end": (b"GET / HTTP/1.1 ", (400,), True),
        "space in front": (b" GET / HTTP/1.1", (400,), True),
        "a space in the target": (b"GET /a b HTTP/1.1", (400,), True),
        "NUL in the target": (b"GET /\0 HTTP/1.1", (400,), True),
        "CR in the target": (b"GET /\rX: y HTTP/1.1", (400,), True),
        "NUL in the version": (b"GET / HTTP/1.1\0", (400, 505), True),
        "no target": (b"GET  HTTP/1.1", (400,), True),
        "no method": (b" / HTTP/1.1", (400,), True),
        "a bracket in the method": (b"G(T / HTTP/1.1", (400, 405), True),
        "an injected header": (b"GET / HTTP/1.1\nX: y", (400,), True),
        "a fragment in the target": (b"GET /#a HTTP/1.1", (400,), True),
        "bytes over 127 in the target": ("GET /ä HTTP/1.1".encode(), (400,), True),
    }
    for name, (line, statuses, ours) in lines.items():
        data = head().replace(b"GET / HTTP/1.1", line)
        rule = "RFC 9112 3; CVE-2023-49081, CVE-2023-49082" if ours else "RFC 6455 4.2.1, HTTP/1.1"
        yield refuses(f"request line: {name}", rule, statuses, data, ours=ours)


def _targets() -> Iterator[Case]:
    for name, target in {
        "asterisk-form": "*",
        "authority-form": "localhost:80",
        "a relative one": "chat",
        "another scheme": "ftp://localhost/",
        "a file": "file:///etc/passwd",
        "user information": "http://user:secret@localhost/",
        "no authority": "http:///",
        "a scheme alone": "http:",
    }.items():
        data = head(line=f"GET {target} HTTP/1.1")
        yield refuses(f"target: {name}", "RFC 9112 3.2", (400, 404), data, ours=True)
    yield accepts("target: absolute-form", "RFC 9112 3.2.2", head(line="GET http://a/ HTTP/1.1"))
    yield accepts("target: absolute-form without a path", "RFC 9112 3.2.2",
                  head(line="GET http://a HTTP/1.1"), ours=True)  # fmt: skip
    query = head(line='GET /?a=%00&b={"c":[1]} HTTP/1.1')
    yield accepts("target: a query", "RFC 9112 3.2.1", query, ours=True)
    for name, host in {
        "a space": "local host", "a path": "localhost/a", "user information": "a@localhost",
        "a port that is none": "localhost:http", "a bracket": "[::1", "a list": "a, b",
        "a comma and NUL": "a\0",
    }.items():  # fmt: skip
        data = head(("Host", None), ("Host", host))
        yield refuses(f"Host: {name}", "RFC 9112 3.2", 400, data, ours=name in ("a list",))


def _sizes() -> Iterator[Case]:
    rule = "limits of a head; CVE-2024-37890, CVE-2023-43669"
    for name, statuses, data in (
        ("a line of 9 KiB", 431, _with(b"X-A: " + b"b" * 9216)),
        ("a line of 1 MiB", 431, _with(b"X-A: " + b"b" * (1 << 20))),
        ("a name of 9 KiB", 431, _with(b"X" * 9216 + b": b")),
        ("a target of 9 KiB", 414, head(line="GET /" + "a" * 9216 + " HTTP/1.1")),
        ("a target without an end", 414, b"GET /" + b"a" * (1 << 20)),
        ("a method without an end", 414, b"G" * (1 << 20)),
        ("129 headers", 431, head(*[("X", "y")] * 124)),
        ("10,000 headers", 431, head(*[("X", "y")] * 10000)),
        ("10,000 different headers", 431, head(*[(f"X{n}", "y") for n in range(10000)])),
        ("10,000 empty headers", 431, head(*[("X", "")] * 10000)),
        ("a head of 33 KiB", 431, head(*[("X", "y" * 8000)] * 5)),
        ("headers without an end", 431, _LINES + b"X: y\r\n" * 100000),
    ):
        yield refuses(name, rule, statuses, data, ours=True)
    yield accepts("128 headers", rule, head(*[("X", "y")] * 123), ours=True)
    yield accepts("a line of 8 KiB", rule, head(("X", "y" * 8189)), ours=True)
    yield accepts("a head of 32 KiB", rule, head(*[("X", "y" * 8000)] * 4), ours=True)


def _not_http() -> Iterator[Case]:
    for name, data in {
        "a TLS ClientHello": bytes.fromhex("16030100c8010000c40303") + b"\x0a" + bytes(189),
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "frames without a handshake": b"\x81\x85\0\0\0\0hello\r\n\r\n",
        "a line of noise": bytes(range(128, 256)) + b"\r\n\r\n",
        "NULs": bytes(100) + b"\r\n\r\n",
        "empty lines": b"\r\n" * 1000,
    }.items():
        yield refuses(name, "RFC 9112 3", (400, 405, 414, 505), data, eof=True, ours=True)
    for name, data in {
        "nothing": b"",
        "half a request line": b"GET / HT",
        "half a head": head()[:60],
        "a head without its last LF": head()[:-1],
    }.items():
        yield drops(f"end after {name}", "RFC 9112 8", data, ours=True)


CASES = [
    case for table in (_lines, _request_lines, _targets, _sizes, _not_http) for case in table()
]
