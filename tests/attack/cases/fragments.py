"""Fragmentation: order, empty fragments, their number (RFC 6455 5.4)."""

from __future__ import annotations

from collections.abc import Iterator

from support.oracles import WireFrame

from ..vocabulary import BINARY, CONT, TEXT, Case, Role, both, breaks, survives

__all__ = ["CASES"]

_LIMIT = 4096  # of fragments in a message, wscore's default


def _fragments(count: int, payload: bytes = b"") -> list[WireFrame]:
    """A message of *count* fragments."""
    middle = [WireFrame(CONT, payload, fin=False)] * (count - 2)
    return [WireFrame(BINARY, payload, fin=False), *middle, WireFrame(CONT, payload)]


def _order(role: Role) -> Iterator[Case]:
    rule = "RFC 6455 5.4"
    for fin in (True, False):
        frame = WireFrame(CONT, b"x", fin=fin)
        yield breaks(f"continuation of nothing, FIN {fin:d}", rule, 1002, frame, role=role)
    frame = WireFrame(CONT)
    yield breaks("empty continuation of nothing", rule, 1002, frame, role=role)
    after = WireFrame(TEXT, b"whole"), WireFrame(CONT, b"more")
    yield breaks("continuation of a whole message", rule, 1002, *after, messages=("whole",),
                 role=role)  # fmt: skip
    ended = WireFrame(TEXT, b"a", fin=False), WireFrame(CONT, b"b"), WireFrame(CONT, b"c")
    yield breaks("continuation of an ended message", rule, 1002, *ended, messages=("ab",),
                 role=role)  # fmt: skip
    for opcode, kind in ((TEXT, "text"), (BINARY, "binary")):
        for fin in (True, False):
            inside = WireFrame(TEXT, b"a", fin=False), WireFrame(opcode, b"b", fin=fin)
            yield breaks(f"{kind} within a message, FIN {fin:d}", rule, 1002, *inside, role=role)
    inside = WireFrame(BINARY, fin=False), WireFrame(TEXT, b"b")
    yield breaks("text after an empty first fragment", rule, 1002, *inside, role=role)


def _sound(role: Role) -> Iterator[Case]:
    rule = "RFC 6455 5.4"
    empty = WireFrame(TEXT, fin=False), WireFrame(CONT)
    yield survives("two empty fragments", rule, ("",), *empty, role=role)
    parts = (WireFrame(TEXT, fin=False), WireFrame(CONT, b"a", fin=False),
             WireFrame(CONT, fin=False), WireFrame(CONT, b"b", fin=False),
             WireFrame(CONT))  # fmt: skip
    yield survives("empty fragments between", rule, ("ab",), *parts, role=role)
    yield survives("300 fragments", rule, (b"x" * 300,), *_fragments(300, b"x"), role=role)
    twice = [*_fragments(300, b"x"), *_fragments(300)]
    yield survives("the count begins anew", rule, (b"x" * 300, b""), *twice, role=role)


def _number(role: Role) -> Iterator[Case]:
    rule = "limit of 4096 fragments; CVE-2026-48779"
    most = _fragments(_LIMIT, b"x")
    yield survives("as many fragments as are allowed", rule, (b"x" * _LIMIT,), *most, role=role,
                   ours=True)  # fmt: skip
    for payload, kind in ((b"x", "fragments"), (b"", "empty fragments")):
        more = _fragments(_LIMIT + 1, payload)
        yield breaks(f"one of {kind} too many", rule, 1008, *more, role=role, ours=True)


CASES = both(case for role in Role for table in (_order, _sound, _number) for case in table(role))
