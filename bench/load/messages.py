"""Messages that are worth compressing: JSON documents as services send them."""

from __future__ import annotations

import json
from functools import cache
from random import Random

from ..oracle import keys

__all__ = ["documents"]

NAMES = ("Ada", "Bartosz", "Chioma", "Dmitri", "Élise", "Fatima", "Goran", "Hye-jin", "Ígor")
ROOMS = ("general", "support", "trading", "random", "incidents")
PHRASES = (
    "the order was filled at a better price than yesterday",
    "please look at sensor seven again",
    "deploy finished",
    "restart it after lunch",
    "who has seen this error before?",
    "thanks, works now",
)


@cache
def documents(count: int, size: int) -> tuple[bytes, ...]:
    """*count* different JSON documents of exactly *size* bytes: lists of a service's events."""
    return tuple(_document(keys(number), size) for number in range(count))


def _document(random: Random, size: int) -> bytes:
    events, room = [], size - len(_as_json([], ""))
    while (needed := len((event := _event(random)).encode()) + len(", ")) <= room:
        events.append(event)
        room -= needed
    room = size - len(_as_json(events, ""))
    return _as_json(events, "".join(random.choices("0123456789abcdef", k=room)))


def _as_json(events: list[str], more: str) -> bytes:
    return f'{{"more": "{more}", "events": [{", ".join(events)}]}}'.encode()


def _event(random: Random) -> str:
    event = {
        "id": f"{random.getrandbits(64):016x}",
        "at": f"2026-03-{random.randint(1, 28):02}T12:{random.randint(0, 59):02}:07Z",
        "room": random.choice(ROOMS),
        "user": {"name": random.choice(NAMES), "score": round(random.gauss(50, 20), 2)},
        "text": "; ".join(random.sample(PHRASES, k=random.randint(1, 3))),
        "seen": random.random() < 0.5,
    }
    return json.dumps(event, ensure_ascii=False)
