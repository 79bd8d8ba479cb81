"""The words that the tables of cases are written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from support import oracles
from support.heads import KEY
from support.oracles import WireFrame

__all__ = [
    "BINARY",
    "CLOSE",
    "CONT",
    "CUTS",
    "DEFLATE",
    "MAX_SIZE",
    "PATIENCE",
    "PING",
    "PONG",
    "PROBE",
    "TEXT",
    "Case",
    "Outcome",
    "Role",
    "accepts",
    "answer",
    "both",
    "breaks",
    "close",
    "confirms",
    "drops",
    "encoded",
    "farewell",
    "head",
    "probe",
    "refuses",
    "rejects",
    "reply",
    "survives",
    "takes",
]

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAX_SIZE = 1 << 20  # bytes in a message, for every server under attack
DEFLATE = "permessage-deflate"
PATIENCE = 5.0  # seconds after which an endpoint hangs

MASK = b"\x37\xfa\x21\x3d"  # the one of RFC 6455 5.7
# Long payloads are masked with zeros: the slow, obvious masking would take a second for a MiB.
_NO_MASK, _LONG = bytes(4), 4096


class Role(Enum):
    """Which side is under attack."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class Outcome:
    """What the endpoint under attack has to do.

    Without ``opened`` the handshake fails, a server's with one of ``statuses``. With it they are
    what others may answer, for the standards leave them the choice. ``headers`` have to be in the
    answer, with these parameters where a value has some; None: not there at all. ``messages`` are
    delivered; of those before a violation the echo may be lost. ``codes`` are those that the Close
    may have, 1005 for an empty one; without any the stream ends without a Close. Of ``pongs`` the
    last is owed.
    """

    opened: bool = True
    statuses: tuple[int, ...] = ()
    headers: Mapping[str, str | None] = field(default_factory=dict)
    messages: tuple[str | bytes, ...] = ()
    pongs: tuple[bytes, ...] = ()
    codes: tuple[int, ...] = ()

    @property
    def violation(self) -> bool:
        """Whether the attack has to end the connection."""
        return self.opened and 1000 not in self.codes


@dataclass(frozen=True)
class Case:
    """One attack: after *opening*, which has to succeed, the endpoint is sent *data*.

    ``rule`` is what demands the outcome. With ``ours`` it is a limit or a strictness of wscore's
    that no standard asks for: others are then judged by harm alone. With ``goes_on`` the connection
    has to work afterwards. With ``eof`` the attacker ends the stream. A ``guarded`` server serves
    its own origin only.
    """

    name: str
    rule: str
    opening: bytes
    data: bytes
    outcome: Outcome
    role: Role = Role.SERVER
    ours: bool = False
    goes_on: bool = False
    eof: bool = False
    guarded: bool = False


# How the bytes are cut into writes -----------------------------------------------------------

_FINE = 2048  # so many bytes at the start, and a few at the end, are what cuts can matter to


def _whole(data: bytes) -> Iterator[bytes]:
    yield data


def _pieces(data: bytes) -> Iterator[bytes]:
    yield from _cut(data[:_FINE], 5)
    yield from _cut(data[_FINE:], 32768)


def _bytewise(data: bytes) -> Iterator[bytes]:
    last = max(len(data) - 64, _FINE)
    yield from _cut(data[:_FINE], 1)
    yield from _cut(data[_FINE:last], 32768)
    yield from _cut(data[last:], 1)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


CUTS = {"whole": _whole, "pieces": _pieces, "byte by byte": _bytewise}

# Bytes ---------------------------------------------------------------------------------------


def encoded(role: Role, *parts: WireFrame | bytes) -> bytes:
    """Frames as the attacker of *role* sends them; bytes stand as they are."""
    return b"".join(part if isinstance(part, bytes) else _encode(role, part) for part in parts)


def _encode(role: Role, frame: WireFrame) -> bytes:
    if role is Role.CLIENT:
        return oracles.encode(frame)
    if len(frame.payload) <= _LONG:
        return oracles.encode(frame._replace(mask=MASK))
    opcode, payload, fin, rsv, _ = frame
    start = oracles.encode_header(opcode, len(payload), fin=fin, rsv=rsv, mask=_NO_MASK)
    return start + payload


def close(code: int = 1000, reason: bytes = b"") -> WireFrame:
    return WireFrame(CLOSE, code.to_bytes(2, "big") + reason)


# What shows that a connection still works: it echoes.
PROBE = "still here"


def probe(role: Role) -> bytes:
    return encoded(role, WireFrame(TEXT, PROBE.encode()))


def farewell(role: Role) -> bytes:
    return encoded(role, close())


def _going_on(messages: tuple[str | bytes, ...] = (), **more: Any) -> Outcome:
    return Outcome(messages=(*messages, PROBE), codes=(1000,), **more)


def head(*changes: tuple[str, str | None], line: str = "GET / HTTP/1.1") -> bytes:
    """A request that is right but for *changes*: None removes a header, others are added."""
    fields = [
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]
    return _head(line, fields, changes)


def answer(
    *changes: tuple[str, str | None], line: str = "HTTP/1.1 101 Switching Protocols"
) -> bytes:
    """A response that is right but for *changes*; ``<accept>`` is filled in when it is sent."""
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "<accept>"),
    ]
    return _head(line, fields, changes)


def _head(
    line: str, fields: list[tuple[str, str]], changes: tuple[tuple[str, str | None], ...]
) -> bytes:
    for name, value in changes:
        if value is None:
            fields = [field for field in fields if field[0] != name]
        else:
            fields.append((name, value))
    lines = [line, *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def reply(name: str, *values: str) -> tuple[tuple[str, str | None], ...]:
    """The changes that put *values* in the place of one header."""
    return ((name, None), *((name, value) for value in values))


_OPENING = {Role.SERVER: head(), Role.CLIENT: answer()}
_COMPRESSED = {
    Role.SERVER: head(("Sec-WebSocket-Extensions", DEFLATE)),
    Role.CLIENT: answer(("Sec-WebSocket-Extensions", DEFLATE)),
}

# Cases, by what has to come of them ----------------------------------------------------------


def breaks(
    name: str,
    rule: str,
    codes: tuple[int, ...] | int,
    *parts: WireFrame | bytes,
    messages: tuple[str | bytes, ...] = (),
    role: Role = Role.SERVER,
    deflate: bool = False,
    ours: bool = False,
) -> Case:
    """The connection is failed with one of *codes*; *messages* came before that."""
    codes = (codes,) if isinstance(codes, int) else codes
    opening = (_COMPRESSED if deflate else _OPENING)[role]
    outcome = Outcome(messages=messages, codes=codes)
    return Case(name, rule, opening, encoded(role, *parts), outcome, role, ours)


def survives(
    name: str,
    rule: str,
    messages: tuple[str | bytes, ...],
    *parts: WireFrame | bytes,
    pongs: tuple[bytes, ...] = (),
    role: Role = Role.SERVER,
    deflate: bool = False,
    ours: bool = False,
) -> Case:
    """Nothing is wrong with it: *messages* are delivered and the connection goes on."""
    opening = (_COMPRESSED if deflate else _OPENING)[role]
    outcome = _going_on(messages, pongs=pongs)
    return Case(name, rule, opening, encoded(role, *parts), outcome, role, ours, goes_on=True)


def both(cases: Iterator[Case]) -> list[Case]:
    """Mark the cases of a table that was made for both roles by their names."""
    return [replace(case, name=f"{case.name}, at the {case.role.value}") for case in cases]


def refuses(
    name: str,
    rule: str,
    statuses: tuple[int, ...] | int,
    data: bytes,
    *,
    headers: Mapping[str, str | None] | None = None,
    ours: bool = False,
    eof: bool = False,
    guarded: bool = False,
) -> Case:
    """A server answers *data* with one of *statuses* and ends the stream."""
    statuses = (statuses,) if isinstance(statuses, int) else statuses
    outcome = Outcome(opened=False, statuses=statuses, headers=headers or {})
    return Case(name, rule, b"", data, outcome, ours=ours, eof=eof, guarded=guarded)


def accepts(
    name: str,
    rule: str,
    opening: bytes,
    *parts: WireFrame | bytes,
    messages: tuple[str | bytes, ...] = (),
    headers: Mapping[str, str | None] | None = None,
    ours: bool = False,
    guarded: bool = False,
    statuses: tuple[int, ...] = (),
) -> Case:
    """A server answers *opening* with 101 and *headers*, and the connection works."""
    outcome = _going_on(messages, headers=headers or {}, statuses=statuses)
    data = encoded(Role.SERVER, *parts)
    return Case(name, rule, opening, data, outcome, ours=ours, goes_on=True, guarded=guarded)


def takes(
    name: str, rule: str, opening: bytes, data: bytes, *messages: str, role: Role = Role.SERVER
) -> Case:
    """*messages* are read across the end of the handshake, and the connection works."""
    return Case(name, rule, opening, data, _going_on(messages), role, goes_on=True)


def drops(name: str, rule: str, data: bytes, *, ours: bool = False) -> Case:
    """The attacker ends the stream after *data*, and so does the server, without a word."""
    return Case(name, rule, b"", data, Outcome(opened=False), ours=ours, eof=True)


def rejects(name: str, rule: str, data: bytes, *, eof: bool = False) -> Case:
    """A client refuses the handshake that *data* answers."""
    return Case(name, rule, b"", data, Outcome(opened=False), Role.CLIENT, eof=eof)


def confirms(name: str, rule: str, opening: bytes) -> Case:
    """A client takes *opening*, and the connection works."""
    return takes(name, rule, opening, b"", role=Role.CLIENT)
