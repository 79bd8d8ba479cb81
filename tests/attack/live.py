"""Cases against a server on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oracles import Violation

from .attacker import Attacker
from .seen import Seen, frames, read
from .target import Target
from .vocabulary import CLOSE, PATIENCE, TEXT, Case, Role, farewell, probe

__all__ = ["attack"]

Cut = Callable[[bytes], Iterator[bytes]]

_HEAD_END = b"\r\n\r\n"
_GRACE = 0.3  # seconds in which a server may still do worse, once it is clear that it fails


def attack(target: Target, case: Case, cut: Cut, patience: float = PATIENCE) -> Seen:
    """Send *case* to *target*, cut by *cut*; return what came of it.

    *patience* is how many seconds the server may take to end the stream.
    """
    with target.attacker(guarded=case.guarded) as attacker:
        if _opens(attacker, case, cut):
            attacker.send(cut(case.data))
            if case.goes_on:
                _go_on(attacker, case)
            _await_the_end(attacker, case, patience)
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
    """How many whole messages came; more than any number once there is something else."""
    head, found, output = received.partition(_HEAD_END)
    if found and not head.startswith(b"HTTP/1.1 101 "):
        return 1 << 30
    count = 0
    try:
        for frame in frames(output):
            count += frame.opcode < CLOSE and frame.fin
            if frame.opcode == CLOSE:
                return 1 << 30
    except Violation:
        pass
    return count


def _await_the_end(attacker: Attacker, case: Case, patience: float) -> None:
    if case.eof:
        attacker.end()
    if not case.outcome.opened:
        # Accepting what has to be refused: there is no end to wait for.
        if attacker.read_until(lambda data: data.startswith(b"HTTP/1.1 101 "), patience):
            attacker.read_rest(_GRACE)
        return
    attacker.read_rest(patience)
