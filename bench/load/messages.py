"""Messages for permessage-deflate: documents as services send them, and frames made of them.

The load only sends what was made here, so that no compression is measured but the server's.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from ..contract import Refused
from ..oracle import keys

__all__ = ["COMPRESSED", "documents", "frame", "frames", "inflate", "take_turns"]

COMPRESSED = 0x41  # RSV1 and text, without fin (RFC 7692 7.2.3)
TAIL = b"\x00\x00\xff\xff"
NAMES = ("Ada", "Bartosz", "Chioma", "Dmitri", "Élise", "Fatima", "Goran", "Hye-jin", "Ígor")
ROOMS = ("general", "support", "trading", "random", "incidents")
WORDS = (
    "the order was filled at a better price than yesterday please look at sensor seven again "
    "deploy finished restart it after lunch who has seen this error before thanks works now"
).split()


@cache
def documents(count: int, size: int) -> tuple[bytes, ...]:
    """*count* different JSON documents of exactly *size* bytes: lists of a service's events."""
    return tuple(_document(keys(number), size) for number in range(count))


def _document(random: Random, size: int) -> bytes:
    events: list[str] = []
    room = size - len('{"events": [], "more": ""}')
    while (needed := len((event := _event(random)).encode()) + 2) <= room:
        events.append(event)
        room -= needed
    filler = "".join(random.choices("0123456789abcdef", k=room + 2 * bool(events)))
    return f'{{"events": [{", ".join(events)}], "more": "{filler}"}}'.encode()


def _event(random: Random) -> str:
    event = {
        "id": f"{random.getrandbits(64):016x}",
        "at": f"2026-03-{random.randint(1, 28):02}T12:{random.randint(0, 59):02}:07Z",
        "room": random.choice(ROOMS),
        "user": {"name": random.choice(NAMES), "score": round(random.gauss(50, 20), 2)},
        "text": " ".join(random.choices(WORDS, k=random.randint(3, 14))),
        "seen": random.random() < 0.5,
    }
    return json.dumps(event, ensure_ascii=False)


def frames(texts: Sequence[bytes], level: int, window: int) -> list[bytes]:
    """Masked frames of *texts*, to be sent in turn and over and over by one connection.

    Before them stands the last text once more: the first thing to send. As context takeover means
    it, each text refers to the one before, but to nothing older, so that a text's frame is the
    same in every turn. A lone text refers to nothing and stands alone.
    """
    if min(map(len, texts)) < 1 << window and len(texts) > 1:
        raise ValueError("a text is shorter than the window, so older ones are in reach")
    if len(texts) == 1:
        return [frame(_compress(texts[0], level, window, b""))]
    before = [b"", *texts]
    after = [texts[-1], *texts]
    before[1] = texts[-1]
    return [
        frame(_compress(text, level, window, last)) for last, text in zip(before, after, strict=True)
    ]
