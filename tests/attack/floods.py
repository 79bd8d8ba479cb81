"""Behaviours: what takes time, many frames or many connections, and what a server owes then.

Each raises Breach when the server does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from time import monotonic, sleep

from support.oracles import WireFrame, encode_header

from .attacker import Attacker
from .cases.compression import BOMB
from .seen import Seen, read
from .target import Bystander, Target
from .vocabulary import (
    BINARY,
    CONT,
    DEFLATE,
    PATIENCE,
    PING,
    TEXT,
    Role,
    close,
    encoded,
    head,
    probe,
)

__all__ = ["FLOODS", "MIB", "Breach", "Flood"]

MIB = 1 << 20
_MASK = bytes(4)


class Breach(Exception):
    """The server did not hold."""


@dataclass(frozen=True)
class Flood:
    """*run* attacks; ``memory`` is how many bytes the server may grow by meanwhile."""

    name: str
    rule: str
    run: Callable[[Target], None]
    memory: int
    ours: bool = False


def _connect(
    target: Target, *fields: tuple[str, str], receive_buffer: int | None = None
) -> Attacker:
    """A connection that is open."""
    attacker = target.attacker(receive_buffer=receive_buffer)
    attacker.send([head(*fields)])
    attacker.read_until(lambda data: b"\r\n\r\n" in data)
    if not attacker.received.startswith(b"HTTP/1.1 101 "):
        raise Breach("a sound handshake was refused")
    return attacker


def _seen(attacker: Attacker) -> Seen:
    seen = read(Role.SERVER, attacker.received)
    seen.ended = attacker.ended
    return seen


def _demand_close(attacker: Attacker, *codes: int) -> None:
    attacker.read_rest()
    seen = _seen(attacker)
    if seen.close not in codes or not seen.ended:
        raise Breach(f"{seen}")


def _demand_echo(attacker: Attacker) -> None:
    """A connection that broke no rule still works."""
    attacker.received = b"HTTP/1.1 101 \r\n\r\n"
    attacker.send([probe(Role.SERVER)])
    if not attacker.read_until(lambda data: b"still here" in data):
        raise Breach("the connection does not work any more")


def _demand_service(target: Target, attackers: list[Attacker]) -> None:
    """Others can connect and are served while *attackers* hold what they have."""
    with Bystander(target) as bystander:
        served = bystander.is_served()
    for attacker in attackers:
        attacker.sock.close()
    if not served:
        raise Breach("others are not served")


def _demand_drop(attacker: Attacker) -> None:
    """The server ends the stream by itself, in its time."""
    attacker.read_rest()
    if not attacker.ended:
        raise Breach("the connection was not dropped")


# Floods within one connection ----------------------------------------------------------------


def _fragments(payload: bytes, count: int) -> bytes:
    frame = encode_header(CONT, len(payload), fin=False, mask=_MASK) + payload
    return encoded(Role.SERVER, WireFrame(BINARY, payload, fin=False)) + frame * (count - 1)


def tiny_fragments(target: Target) -> None:
    with _connect(target) as attacker:
        attacker.send([_fragments(b"x", 131_000)])
        _demand_close(attacker, 1008, 1009)


def empty_fragments(target: Target) -> None:
    with _connect(target) as attacker:
        attacker.send([_fragments(b"", 131_000)])
        _demand_close(attacker, 1008, 1009)


def most_fragments_at_once(target: Target) -> None:
    """On 50 connections as many as are allowed, and never the last."""
    attackers = [_connect(target) for _ in range(50)]
    for attacker in attackers:
        attacker.send([_fragments(b"x", 4000)])
    _demand_service(target, attackers)


def compressed_fragments(target: Target) -> None:
    with _connect(target, ("Sec-WebSocket-Extensions", DEFLATE)) as attacker:
        first = encoded(Role.SERVER, WireFrame(BINARY, b"\0", fin=False, rsv=4))
        block = encode_header(CONT, 5, fin=False, mask=_MASK) + b"\0\0\0\xff\xff"
        attacker.send([first + block * 131_000])
        _demand_close(attacker, 1002, 1007, 1008, 1009)


def bomb(target: Target) -> None:
    with _connect(target, ("Sec-WebSocket-Extensions", DEFLATE)) as attacker:
        attacker.send([encoded(Role.SERVER, BOMB)])
        _demand_close(attacker, 1009)


def many_bombs(target: Target) -> None:
    for _ in range(10):
        bomb(target)


def unread_pings(target: Target) -> None:
    """100,000 pings from one who reads nothing: of the pongs only the latest is owed."""
    pings = b"".join(
        encode_header(PING, 125, mask=_MASK) + b"%0125d" % number for number in range(100_000)
    )
    with _connect(target, receive_buffer=4096) as attacker:
        sent = attacker.send_unread(pings)
        if sent < len(pings):
            raise Breach(f"stopped to read after {sent // 131} pings")
        latest = b"%0125d" % 99_999
        # All that waits comes before it.
        if not attacker.read_until(lambda data: data.endswith(latest), 6 * PATIENCE):
            raise Breach("the latest ping was not answered")
        if len(_seen(attacker).pongs) == 100_000:
            raise Breach("100,000 pongs were kept")


def read_pings(target: Target) -> None:
    pings = encoded(Role.SERVER, WireFrame(PING, b"12345678")) * 100_000
    with _connect(target) as attacker:
        attacker.send([pings])
        _demand_echo(attacker)


def pongs(target: Target) -> None:
    with _connect(target) as attacker:
        attacker.send([encoded(Role.SERVER, WireFrame(10, b"x" * 125)) * 100_000])
        _demand_echo(attacker)


def empty_messages(target: Target) -> None:
    """100,000 empty messages, read by the attacker."""
    with _connect(target) as attacker:
        attacker.send([encoded(Role.SERVER, WireFrame(TEXT)) * 100_000])
        _demand_echo(attacker)


def unread_echoes(target: Target) -> None:
    """64 MiB in messages from one who reads none of the echoes.

    The server may stop to read, or give up on the connection: only its memory is watched.
    """
    message = encode_header(BINARY, 65536, mask=_MASK) + bytes(65536)
    with _connect(target, receive_buffer=4096) as attacker:
        attacker.send_unread(message * 1024, patience=1.0)


def late_data(target: Target) -> None:
    """A violation, then 32 MiB more: what comes late is read and dropped, or cut off."""
    with _connect(target) as attacker:
        attacker.send([encoded(Role.SERVER, WireFrame(3)), *repeat(bytes(65536), 512)])
        _demand_close(attacker, 1002)


def close_without_an_end(target: Target) -> None:
    """A Close, and then the attacker neither reads nor ends the stream."""
    with _connect(target) as attacker:
        attacker.send([encoded(Role.SERVER, close())])
        _demand_close(attacker, 1000)
        # The server has ended its side. Once it has let go, what still comes is reset.
        deadline = monotonic() + PATIENCE
        attacker.ended = False
        while not attacker.ended:
            if monotonic() > deadline:
                raise Breach("the connection was kept after the closing handshake")
            sleep(0.1)
            attacker.send_unread(b"x")


# Slow and many handshakes --------------------------------------------------------------------


def silence(target: Target) -> None:
    with target.attacker() as attacker:
        _demand_drop(attacker)


def slow_request(target: Target) -> None:
    """A byte of the request every tenth of a second."""
    with target.attacker() as attacker:
        deadline = monotonic() + PATIENCE
        for byte in head(("X", "y" * 8000)):
            attacker.send([bytes([byte])])
            attacker.read_rest(0.1)
            if attacker.ended:
                return
            if monotonic() > deadline:
                raise Breach("the connection was not dropped")


def many_half_requests(target: Target) -> None:
    """A hundred connections with a head of 30 KB each that never ends."""
    attackers = [target.attacker() for _ in range(100)]
    for attacker in attackers:
        attacker.send([head(*[("X", "y" * 7000)] * 4)[:-2]])
    _demand_service(target, attackers)


def early_data(target: Target) -> None:
    """Frames of 4 MiB behind a request that is refused."""
    with target.attacker() as attacker:
        attacker.send([head(("Content-Length", "3")), *repeat(bytes(65536), 64)])
        _demand_drop(attacker)


def churn(target: Target) -> None:
    """250 connections that vanish within the request, a frame or a message."""
    endings = (b"", head()[:50], head(), head() + b"\x81\xfe\x10\x00" + _MASK + b"half",
               head() + encoded(Role.SERVER, WireFrame(TEXT, b"a", fin=False)))  # fmt: skip
    for number in range(250):
        attacker = target.attacker()
        attacker.send([endings[number % len(endings)]])
        if number % 2:
            attacker.reset()
        attacker.sock.close()
    with _connect(target) as attacker:
        _demand_echo(attacker)


def promised_payloads(target: Target) -> None:
    """A hundred connections, each with the header of a message of 1 MiB and nothing of it."""
    attackers = [_connect(target) for _ in range(100)]
    for attacker in attackers:
        attacker.send([encode_header(BINARY, MIB, mask=_MASK)])
    _demand_service(target, attackers)


def _floods() -> Iterator[Flood]:
    yield Flood("131,000 fragments of one byte", "CVE-2026-48779", tiny_fragments, 2 * MIB, True)
    yield Flood("131,000 empty fragments", "RFC 6455 10.4", empty_fragments, 2 * MIB, True)
    yield Flood("4000 fragments on each of 50 connections", "CVE-2026-48779",
                most_fragments_at_once, 16 * MIB, True)  # fmt: skip
    yield Flood("131,000 compressed fragments", "RFC 7692 8", compressed_fragments, 2 * MIB, True)
    yield Flood("a bomb of 64 MiB", "CVE-2018-1000518", bomb, 2 * MIB)
    yield Flood("ten bombs of 64 MiB", "CVE-2018-1000518", many_bombs, 4 * MIB)
    yield Flood("100,000 pings, pongs unread", "RFC 6455 5.5.3", unread_pings, 2 * MIB, True)
    yield Flood("100,000 pings, pongs read", "RFC 6455 5.5.2", read_pings, 8 * MIB, True)
    yield Flood("100,000 pongs", "RFC 6455 5.5.3", pongs, 2 * MIB)
    yield Flood("100,000 empty messages", "RFC 6455 10.4", empty_messages, 8 * MIB, True)
    yield Flood("64 MiB of messages, echoes unread", "back-pressure", unread_echoes, 24 * MIB, True)
    yield Flood("32 MiB after a violation", "RFC 6455 7.1.7", late_data, 2 * MIB, True)
    yield Flood("a Close, and no end", "RFC 6455 7.1.1", close_without_an_end, 2 * MIB, True)
    yield Flood("silence", "limit on the handshake", silence, 2 * MIB, True)
    yield Flood("a slow request", "limit on the handshake", slow_request, 2 * MIB, True)
    yield Flood("a hundred half requests", "limits of a head", many_half_requests, 16 * MIB, True)
    yield Flood("4 MiB behind a refused request", "RFC 9112 6", early_data, 2 * MIB, True)
    yield Flood("250 vanishing connections", "CVE-2016-10542", churn, 4 * MIB)
    yield Flood("a hundred promised MiB", "allocation ahead of data", promised_payloads, 8 * MIB,
                True)  # fmt: skip


FLOODS = list(_floods())
