"""What the chat accepts of its visitors: names, rooms, messages, and how often they may come."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

__all__ = [
    "MAX_NAME",
    "MAX_REQUEST",
    "MAX_TEXT",
    "Rate",
    "Refused",
    "checked_id",
    "checked_name",
    "checked_room",
    "checked_since",
    "checked_text",
    "parse",
]

MAX_NAME = 24  # characters
MAX_TEXT = 2000
MAX_REQUEST = 16 * 1024  # characters of JSON: a text of MAX_TEXT may be escaped throughout

_ROOM = re.compile(r"chat:([\w-]{1,24})")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# In names, what is invisible would make two of them look alike; but U+200C is part of some words,
# and U+200D of some emoji.
_JOINERS = "\u200c\u200d"


class Refused(Exception):
    """The chat does not do what was asked; its text is shown to the visitor."""


def parse(message: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a visitor's *message*. Raises ValueError for anything else."""
    if isinstance(message, bytes) or len(message) > MAX_REQUEST:
        raise ValueError("a request is JSON text of at most 16 KiB")
    try:
        found = json.loads(message)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("a request is a JSON object")
    return found


def checked_name(name: object) -> str:
    """Return *name* with its blanks put in order. Raises Refused."""
    shown = _without(name, "A name", ("Cc", "Cf", "Cs"), _JOINERS)
    tidy = unicodedata.normalize("NFC", " ".join(shown.split()))
    if not 1 <= len(tidy) <= MAX_NAME:
        raise Refused(f"A name has 1 to {MAX_NAME} characters.")
    return tidy


def checked_room(room: object) -> str:
    """Return what follows ``chat:`` in the name of a *room*, in lower case. Raises Refused."""
    found = _ROOM.fullmatch(room) if isinstance(room, str) else None
    if found is None:
        raise Refused("A room's name has up to 24 letters, digits and hyphens.")
    return found[1].lower()


def checked_text(text: object) -> str:
    """Return *text*, without blanks at its end. Raises Refused."""
    tidy = _without(text, "A message", ("Cc", "Cs"), "\n\t").rstrip()
    if not 1 <= len(tidy) <= MAX_TEXT:
        raise Refused(f"A message has 1 to {MAX_TEXT:,} characters.")
    return tidy


def checked_id(name: object) -> str:
    """Return an identifier that a page made up. Raises ValueError: pages make no others."""
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ValueError("an identifier has up to 64 letters, digits, - and _")
    return name


def checked_since(since: object) -> tuple[str, int] | None:
    """Return the position (epoch, offset) that a page has seen, None if none. Raises ValueError."""
    if since is None:
        return None
    if isinstance(since, list) and len(since) == 2:
        epoch, offset = since
        if isinstance(epoch, str) and type(offset) is int and 0 <= offset < 2**63:
            return checked_id(epoch), offset
    raise ValueError("a position is [epoch, offset]")


def _without(text: object, what: str, categories: tuple[str, ...], exempt: str) -> str:
    """Demand a *text* without characters of *categories*: halves of surrogate pairs are Cs."""
    if not isinstance(text, str):
        raise Refused(f"{what} is text.")
    if any(unicodedata.category(char) in categories for char in text if char not in exempt):
        raise Refused(f"{what} cannot have control characters.")
    return text


class Rate:
    """Allows *per_second* requests on average, and *burst* at once after a pause."""

    __slots__ = ("_burst", "_left", "_per_second", "_since")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = self._left = burst
        self._since = now

    def allows(self, now: float) -> bool:
        """Whether one more request may come at *now*, in seconds of any clock. Counts it if so."""
        self._left = min(self._burst, self._left + (now - self._since) * self._per_second)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
