"""One read of 64 KiB, full of small masked messages, to a list of str."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import READ_MESSAGES
from ..oracle import frame, keys
from ..texts import KIB, text

PAYLOAD = 64
READ = 64 * KIB


def cases() -> list[Case]:
    random = keys()
    count = READ // len(frame(bytes(PAYLOAD), b"mask"))
    payload = text("ASCII", PAYLOAD)
    wire = b"".join(frame(payload, random.randbytes(4)) for _ in range(count))
    label = "`MessageReader`, 64 KiB of masked 64 B text messages"
    goals = (
        Goal(label, ("wsproto",), 60.0),
        Goal(label, ("websockets",), 30.0),
        Goal(label, ("aiohttp",), 2.5),
    )
    return [Case("read 64 B messages", READ_MESSAGES, (wire,), goals, messages=count)]
