"""The fast path of the handshake: what it reads, and that the slow path reads the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from support import heads

from wscore import InvalidHandshake, ServerProtocol, State
from wscore._backend.upgrade import Upgrade
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.extensions import Extension
from wscore.protocol.fastpath import accept_upgrade
from wscore.protocol.handshake import Origins
from wscore.protocol.http11 import MAX_HEAD, MAX_HEADERS, MAX_LINE
from wscore.protocol.known_heads import KnownHeads

# As these clients send them.
CHROMIUM = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nConnection: Upgrade\r\n"
    b"Pragma: no-cache\r\nCache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0\r\n"
    b"Upgrade: websocket\r\nOrigin: http://127.0.0.1:8765\r\nSec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: session=1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
FIREFOX = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nSec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nDNT: 1\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-Fetch-Mode: websocket\r\nPragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n"
)
WEBSOCKETS = (
    b"GET / HTTP/1.1\r\nHost: localhost:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"User-Agent: Python/3.11 websockets/17.4\r\n\r\n"
)
AIOHTTP = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    b"User-Agent: Python/3.11 aiohttp/3.14.5\r\n\r\n"
)
NODE = (
    b"GET / HTTP/1.1\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"Host: 127.0.0.1:9000\r\n\r\n"
)

CLIENTS = [CHROMIUM, FIREFOX, WEBSOCKETS, AIOHTTP, NODE]
REQUEST = heads.request().serialize()
# What a byte may be changed to: what the grammars know, and what they do not.
NOTABLE = bytes({*b'\0\t\n\r !"#$,/:;=@A[]a{|}~\x7f\x80\xff0139', 11, 27, 30})


def changed(old: bytes, new: bytes) -> bytes:
    assert old in REQUEST
    return REQUEST.replace(old, new, 1)


def added(*lines: bytes) -> bytes:
    return REQUEST[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def padded(size: int) -> bytes:
    """A request of *size* bytes with one long header."""
    return added(b"Padding: " + b"x" * (size - len(REQUEST) - len(b"Padding: \r\n")))


@pytest.mark.parametrize("head", CLIENTS)
@pytest.mark.parametrize("rest", [b"", b"\x81\x80\0\0\0\0"])
def test_clients_take_it(compiled: ModuleType, head: bytes, rest: bytes) -> None:
    upgrade = compiled.read_upgrade(head + rest)
    assert upgrade == heads.long_way(head)
    assert upgrade.size == len(head)


def test_what_is_read(compiled: ModuleType) -> None:
    assert compiled.read_upgrade(CHROMIUM) == Upgrade(
        len(CHROMIUM),
        "/chat?room=1",
        heads.KEY,
        "http://127.0.0.1:8765",
        "permessage-deflate; client_max_window_bits",
        True,
    )
    assert compiled.read_upgrade(REQUEST) == Upgrade(
        len(REQUEST), "/", heads.KEY, None, None, False
    )


@pytest.mark.parametrize(
    "head",
    [
        changed(b"Upgrade: websocket", b"UPGRADE:WebSocket"),
        changed(b"Connection: Upgrade", b"connection: \t Keep-Alive, upgrade \t"),
        changed(b"example.com", b"a-b.example:8080"),
        changed(b"example.com", b"127.0.0.1:"),
        changed(b"GET /", b"GET /%7e?a=b&c=/%22^|"),
        added(b"X-Empty:", b"X-Spaces: \t ", b"X-Latin: \xe9", b"X-Tab: a\tb"),
        added(b"Origin: null", b'Sec-WebSocket-Extensions: x;y="z", x'),
        added(b"Origin:", b"Sec-WebSocket-Extensions:", b"Cookie:"),
        added(b"Origin: \xe9"),
    ],
)
def test_variants_that_take_it(compiled: ModuleType, head: bytes) -> None:
    assert compiled.read_upgrade(head) == heads.long_way(head)


@pytest.mark.parametrize(
    "head",
    [
        changed(b"GET", b"POST"),
        changed(b"GET ", b"get "),
        changed(b"HTTP/1.1", b"HTTP/1.0"),
        changed(b"HTTP/1.1", b"HTTP/2.0"),
        changed(b"GET /", b"GET http://example.com/"),
        changed(b"GET /", b"GET "),
        changed(b"GET /", b"GET  /"),
        changed(b"GET /", b"GET *"),
        changed(b"GET /", b"GET /#a"),
        changed(b"GET /", b"GET /\xc3\xa9"),
        changed(b"GET /", b"GET /a b"),
        changed(b"13", b"8"),
        changed(b"13", b"13, 8"),
        changed(b"ZQ==", b"ZR=="),
        changed(b"ZQ==", b"Z==="),
        changed(b"ZQ==", b"ZQ="),
        changed(b"ZQ==", b"ZQ== a"),
        changed(b"dGhl", b"dG-l"),
        changed(b": example.com", b":"),
        changed(b"example.com", b"a@example.com"),
        changed(b"example.com", b"example.com:8o"),
        changed(b"example.com", b"example.com:80:80"),
        changed(b"example.com", b":80"),
        changed(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
        changed(b"Upgrade: websocket", b"Upgrade: websockets"),
        changed(b"Connection: Upgrade", b"Connection: close"),
        changed(b"Connection: Upgrade", b"Connection: Upgrade, close"),
        changed(b"Host:", b"Host :"),
        changed(b"Host:", b" Host:"),
        changed(b"Host:", b": a\r\nHost:"),
        changed(b"Host:", b"no colon\r\nHost:"),
        changed(b"\r\nHost", b"\nHost"),
        changed(b"\r\nHost", b"\r\r\nHost"),
        added(b" folded"),
        added(b"X: \0"),
        added(b"X: \x7f"),
        added(b"X: \x1b"),
        added(b"Content-Length: 0"),
        added(b"Content-Length: 1"),
        added(b"transfer-encoding: chunked"),
        added(b"Sec-WebSocket-Protocol: chat"),
        added(b"Sec-WebSocket-Protocol:"),
        added(b"Origin: a", b"Origin: a"),
        added(b"Cookie: a", b"Cookie: b"),
        added(b"Sec-WebSocket-Extensions: a", b"Sec-WebSocket-Extensions: b"),
        REQUEST[:-1] + b"x\r\n",
        b"\r\n" + REQUEST,
        b"",
    ],
)
def test_others_go_the_long_way(compiled: ModuleType, head: bytes) -> None:
    assert compiled.read_upgrade(head) is None


FIELDS = ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_missing_or_there_twice(compiled: ModuleType, name: str) -> None:
    [line] = [line for line in REQUEST.split(b"\r\n") if line.startswith(name.encode())]
    assert compiled.read_upgrade(changed(line + b"\r\n", b"")) is None
    assert compiled.read_upgrade(added(line.swapcase())) is None


def test_the_head_may_be_as_long_as_a_line(compiled: ModuleType) -> None:
    longest = compiled.read_upgrade(padded(8192) + b"rest")
    assert longest is not None
    assert longest.size == 8192
    assert longest.size <= min(MAX_HEAD, MAX_LINE), "else this way would be the looser one"
    assert compiled.read_upgrade(padded(8193)) is None


def test_as_many_headers_as_the_long_way_takes(compiled: ModuleType) -> None:
    more = [b"X: y"] * (MAX_HEADERS - len(FIELDS))
    assert compiled.read_upgrade(added(*more)) == heads.long_way(added(*more))
    assert compiled.read_upgrade(added(*more, b"X: y")) is None
    with pytest.raises(InvalidHandshake):
        heads.long_way(added(*more, b"X: y"))


@pytest.mark.parametrize("head", [CHROMIUM, FIREFOX])
def test_a_head_that_is_not_whole(compiled: ModuleType, head: bytes) -> None:
    for size in range(len(head)):
        assert compiled.read_upgrade(head[:size]) is None


def _agrees(compiled: ModuleType, head: bytes) -> bool:
    """Whether *head* takes the fast path; if so, the slow path has to read the same in it."""
    upgrade = compiled.read_upgrade(head)
    assert upgrade is None or upgrade == heads.long_way(head), head
    return upgrade is not None


def test_any_one_byte_changed_inserted_or_removed(compiled: ModuleType) -> None:
    head = CHROMIUM
    taken = 0
    for at in range(len(head)):
        taken += _agrees(compiled, head[:at] + head[at + 1 :])
        for byte in NOTABLE:
            piece = bytes((byte,))
            taken += _agrees(compiled, head[:at] + piece + head[at + 1 :])
            taken += _agrees(compiled, head[:at] + piece + head[at:])
    assert taken > 1000, "else this compares nothing"


def test_lines_in_any_order_and_number(compiled: ModuleType) -> None:
    dice = random.Random(6455)
    lines = [line for head in CLIENTS for line in head.split(b"\r\n")[1:-2]]
    taken = 0
    for _ in range(3000):
        chosen = [*FIREFOX.split(b"\r\n")[1:-2], *dice.sample(lines, 2)]
        dice.shuffle(chosen)
        del chosen[dice.randrange(len(chosen) * 2) :]
        taken += _agrees(compiled, b"\r\n".join([b"GET / HTTP/1.1", *chosen, b"", b""]))
    assert taken > 20, "else this compares nothing"


def test_only_bytes_are_read(compiled: ModuleType) -> None:
    for wrong in (None, bytearray(REQUEST), memoryview(REQUEST), REQUEST.decode()):
        with pytest.raises(TypeError):
            compiled.read_upgrade(wrong)


def test_the_twin_leaves_all_to_the_long_way() -> None:
    from wscore._backend import pure

    assert pure.read_upgrade(REQUEST) is None


# From the request to the open connection


def answers(data: bytes, **options: Any) -> tuple[list[bytes], ServerProtocol]:
    """What `ServerProtocol` says, on the slow path."""
    server = ServerProtocol(**options)
    request = server.receive_head(data)
    assert request is not None
    server.send_response(server.accept(request))
    return [bytes(data) for data in server.data_to_send() if data], server


@pytest.fixture
def both_ways(compiled: ModuleType) -> Callable[..., ServerProtocol | None]:
    def compare(data: bytes, **options: Any) -> ServerProtocol | None:
        """The server after the fast path, None when *data* has to take the slow one."""
        expected, long = answers(data, **options)
        upgrade = compiled.read_upgrade(data)
        assert upgrade is not None
        accepted = accept_upgrade(upgrade, **options)
        if accepted is None:
            return None
        assert [accepted.response] == expected
        server = ServerProtocol(**options)
        server.open_upgrade(upgrade, data, accepted, KnownHeads())
        assert server.data_to_send() == []
        assert server.state is long.state is State.OPEN
        assert (server.request, server.response) == (long.request, long.response)
        assert server.extensions == long.extensions
        assert (server.decoder is None) is (long.decoder is None)
        assert server.reader.deflate is long.reader.deflate
        return server

    return compare


@pytest.mark.parametrize("head", CLIENTS)
@pytest.mark.parametrize("extensions", [(), (PerMessageDeflate(),)], ids=["plain", "deflate"])
def test_the_same_answer(both_ways: Any, head: bytes, extensions: Any) -> None:
    assert both_ways(head, extensions=extensions) is not None


def test_what_came_early_is_kept(both_ways: Any) -> None:
    server = both_ways(CHROMIUM + b"\x81\x81\0\0\0\0a")
    assert server.take_trailing_data() == b"\x81\x81\0\0\0\0a"
    assert server.take_trailing_data() == b""


@pytest.mark.parametrize("origin", [b"https://example.com", b"HTTPS://EXAMPLE.COM:443"])
def test_an_origin_that_is_served(both_ways: Any, origin: bytes) -> None:
    data = added(b"Origin: " + origin)
    assert both_ways(data, origins=Origins(["https://example.com"])) is not None


@pytest.mark.parametrize("line", [b"Origin: http://example.com", b"Origin: \xe9", b"X: y"])
def test_an_origin_that_is_not(both_ways: Any, line: bytes) -> None:
    assert both_ways(added(line), origins=Origins(["https://example.com"])) is None


@pytest.mark.parametrize("value", [b"", b",", b"a b", b'x;y="', b"x; y=\xe9"])
def test_extensions_that_are_malformed(both_ways: Any, value: bytes) -> None:
    assert both_ways(added(b"Sec-WebSocket-Extensions: " + value)) is None


def test_an_extension_that_fails_has_its_error_told_by_the_long_way(compiled: ModuleType) -> None:
    class Broken(Extension):
        name = "x"

        def accept(self, offer: object) -> Any:
            raise ZeroDivisionError

    data = added(b"Sec-WebSocket-Extensions: x")
    assert accept_upgrade(compiled.read_upgrade(data), extensions=[Broken()]) is None
    with pytest.raises(ZeroDivisionError):
        answers(data, extensions=[Broken()])


def test_an_answer_that_cannot_be_written_is_an_error_of_the_long_way(
    compiled: ModuleType,
) -> None:
    class Odd(Extension):
        name = "x"

        def accept(self, offer: object) -> Any:
            return [("a b", None)], None

    data = added(b"Sec-WebSocket-Extensions: x")
    assert accept_upgrade(compiled.read_upgrade(data), extensions=[Odd()]) is None
    with pytest.raises(ValueError, match="not a token"):
        answers(data, extensions=[Odd()])


def test_only_who_has_not_been_answered_can_be_opened(compiled: ModuleType) -> None:
    upgrade = compiled.read_upgrade(REQUEST)
    server = ServerProtocol()
    server.send_response(server.reject(503))
    with pytest.raises(RuntimeError):
        server.open_upgrade(upgrade, REQUEST, accept_upgrade(upgrade), KnownHeads())
