"""Cases against a server on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from support.oracles import Violation

from .attacker import Attacker
from .seen import Seen, frames, read
from .target import Target
from .vocabulary import CLOSE, PATIENCE, Case, Role, farewell, probe

__all__ = ["attack"]

Cut = Callable[[bytes], Iterator[bytes]]

_HEAD_END = b"\r\n\r\n"
_WAIT = 0.5  # seconds for a server that need not end the stream by itself
_OVER = 1 << 30  # more messages than any case has


def attack(target: Target, case: Case, cut: Cut, *, strict: bool) -> Seen:
    """Send *case* to *target*, cut by *cut*; return what came of it.

    A *strict* attacker waits for the end of the stream, others for a Close or a refusal only.
    """
    with target.attacker(guarded=case.guarded) as attacker:
        if _opens(attacker, case, cut):
            attacker.send(cut(case.data))
            if case.goes_on:
                _go_on(attacker, case)
            _await_the_end(attacker, case, strict)
        seen = read(Role.SERVER, attacker.received)
        seen.ended = attacker.ended
        return seen


def _opens(attacker: Attacker, case: Case, cut: Cut) -> bool:
    """Do the opening handshake, where that is not the attack: a client must wait for its end."""
    if not case.opening:
        return True
    attacker.send(cut(case.opening))
    attacker.read_until(lambda data: _HEAD_END in data)
    return attacker.received.startswith(b"HTTP/1.1 101 ")


def _go_on(attacker: Attacker, case: Case) -> None:
    """Say something harmless, and goodbye; each when all before it was answered."""
    expected = len(case.outcome.messages)
    attacker.read_until(lambda data: _count(data) >= expected - 1)
    attacker.send([probe(Role.SERVER)])
    attacker.read_until(lambda data: _count(data) >= expected)
    attacker.send([farewell(Role.SERVER)])


def _count(received: bytes) -> int:
    """How many whole messages came; more than any number once there can be none."""
    head, found, output = received.partition(_HEAD_END)
    if found and not head.startswith(b"HTTP/1.1 101 "):
        return _OVER
    count = 0
    try:
        for frame in frames(output):
            count += frame.opcode < CLOSE and frame.fin
            if frame.opcode == CLOSE:
                return _OVER
    except Violation:
        pass
    return count


def _await_the_end(attacker: Attacker, case: Case, strict: bool) -> None:
    if case.eof:
        attacker.end()
    if not case.outcome.opened:
        attacker.read_until(lambda data: _HEAD_END in data, PATIENCE if strict else _WAIT)
        if strict and not attacker.received.startswith(b"HTTP/1.1 101 "):
            attacker.read_rest()
    elif strict:
        attacker.read_rest()
    else:
        attacker.read_until(lambda data: _count(data) == _OVER, _WAIT)
    attacker.read_rest(0)
