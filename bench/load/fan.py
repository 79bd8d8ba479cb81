"""One message to many: the load for servers that send what they get to all connections."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from string import printable
from tempfile import TemporaryDirectory

from ..contract import Refused
from ..oracle import frame, keys
from ..servers import Deflate
from .deflated import bounded_offer, frames, hold_to_window, inflated, records
from .messages import documents
from .programs import run

__all__ = ["NOBODY", "Fan", "FanFigures", "Report", "Stuck", "fan"]

TEXT, BINARY = 0x1, 0x2
PATIENCE = 30  # seconds beyond those that a measurement takes by itself
HANDSHAKE = 0.005  # seconds at most that a member needs to join, on a busy machine
STUCK_PATIENCE = 900  # for millions of messages beside members that do not read
KEPT_ROUNDS = 2  # whose compressed frames are written down


@dataclass(frozen=True)
class Fan:
    """A room of *members*: the first has *in_flight* messages of *size* bytes under way.

    With *everybody* each member has one instead. With *deflate* messages are JSON documents,
    which both sides compress so; without, they are binary, or ASCII with *text*.
    """

    members: int
    size: int
    in_flight: int = 1
    everybody: bool = False
    deflate: Deflate | None = None
    text: bool = False

    @property
    def messages(self) -> int:
        """Messages of a round, after which all members have to have all of them."""
        return self.members if self.everybody else self.in_flight

    def frames(self) -> list[bytes]:
        """The masked frames of a round."""
        return _frames(self)


@dataclass(frozen=True)
class Stuck:
    """*members* that do not read until as many *rounds* as these are over."""

    members: int
    rounds: int


NOBODY = Stuck(0, 0)


@dataclass(frozen=True)
class FanFigures:
    """Seconds on the clock and of the server's CPU: for a round of everybody, else a delivery.

    ``p50`` and ``p99`` are of rounds. ``load`` is the part of a core that the load used.
    """

    seconds: float
    cpu: float
    p50: float
    p99: float
    load: float


@dataclass(frozen=True)
class Report:
    """What was measured, which extension was agreed on, and how many messages there were.

    ``published`` are all, ``stuck`` those that each of the members who did not read found at last.
    """

    figures: FanFigures
    agreed: str
    published: int
    stuck: tuple[int, ...]


def fan(
    load: Fan,
    port: int,
    server: int,
    seconds: float,
    stuck: Stuck = NOBODY,
    entry: int | None = None,
) -> Report:
    """Load the server with process id *server* for *seconds*, and as many rounds as *stuck* says.

    Messages go to port *entry* if that is another one, from someone who is no member.

    Raises Refused when a member gets something else than what was sent, or twice, or not within
    5 seconds; and when the server does not keep to the window that was offered.
    """
    patience = PATIENCE + 2 * seconds + load.members * HANDSHAKE
    patience += STUCK_PATIENCE if stuck.rounds else 0
    offer = bounded_offer(load.deflate) if load.deflate else ""
    with TemporaryDirectory(prefix="fan-load-") as directory:
        sent, echoes = Path(directory, "frames"), Path(directory, "echoes")
        sent.write_bytes(b"".join(load.frames()))
        found = run(
            "fan_load", port, load.members, stuck.members, seconds, stuck.rounds, server,
            "all" if load.everybody else entry or "one", sent, offer, echoes,
            timeout=patience,
        )  # fmt: skip
        if load.deflate:
            hold_to_window(found["agreed"], load.deflate)
            _check(echoes.read_bytes(), load, load.deflate)
    unit = 1 if load.everybody else load.members * load.in_flight
    figures = FanFigures(
        1 / (found["rounds_per_second"] * unit),
        found["cpu"] / unit,
        *(found[measure] for measure in ("p50", "p99", "load")),
    )
    return Report(figures, found["agreed"], int(found["published"]), tuple(found["stuck"]))


@cache
def _frames(load: Fan) -> list[bytes]:
    if load.deflate:
        # Each refers to nothing before it: right for whichever context the server keeps.
        return [frames((text,), load.deflate)[0] for text in documents(load.messages, load.size)]
    random = keys(load.messages)
    opcode = TEXT if load.text else BINARY
    return [
        frame(_payload(number, load, random), random.randbytes(4), opcode)
        for number in range(load.messages)
    ]


def _payload(number: int, load: Fan, random: Random) -> bytes:
    """Begins with its *number*, which is ASCII up to 127."""
    size = load.size - 2
    more = (
        "".join(random.choices(printable, k=size)).encode() if load.text else random.randbytes(size)
    )
    return struct.pack("<H", number) + more


def _check(written: bytes, load: Fan, deflate: Deflate) -> None:
    """The first rounds of every member inflate to what was sent, in order."""
    payloads: defaultdict[int, list[bytes]] = defaultdict(list)
    for number, payload in records(written):
        payloads[number].append(payload)
    expected = list(documents(load.messages, load.size)) * KEPT_ROUNDS
    if payloads.keys() != set(range(load.members)):
        raise Refused(f"{len(payloads)} of {load.members} members had compressed messages")
    for got in payloads.values():
        if list(inflated(got, deflate.window or 15)) != expected:
            raise Refused("a member got what nobody sent")
