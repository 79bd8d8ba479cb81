"""The origins of pages that may connect to a server (RFC 6454)."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Origins"]

# The ports that origins omit (RFC 6454 4).
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_is_origin = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^/:?#@\[\]]+)(?::([0-9]{1,5}))?"
).fullmatch
# Of pages that come from no host: some browsers send "file://".
_is_hostless = re.compile(r"(?!(?:http|ws)s?:)[a-z][a-z0-9+.-]*://").fullmatch


class Origins:
    """The origins that a server accepts, compared by scheme, host and port (RFC 6454 5).

    *allowed* contains origins like ``"https://example.com"`` or ``"file://"``, and compiled
    patterns of str, which have to match the whole Origin as it was sent. None allows requests
    without an Origin, ``"null"`` allows opaque origins, and ``"*"`` allows any Origin. Raises
    TypeError, and ValueError for any other str.
    """

    __slots__ = ("_allowed", "_patterns")

    def __init__(self, allowed: Iterable[str | re.Pattern[str] | None]) -> None:
        if isinstance(allowed, (str, bytes, re.Pattern)):
            raise TypeError(f"origins must be a list, not a {type(allowed).__name__}")
        self._allowed: set[tuple[str, str, int | None] | str | None] = set()
        self._patterns: list[re.Pattern[str]] = []
        for origin in allowed:
            if not isinstance(origin, re.Pattern):
                self._allowed.add(_split_origin(origin))
            elif isinstance(origin.pattern, str):
                self._patterns.append(origin)
            else:
                raise TypeError(f"a pattern of an origin must be one of str, not {origin!r}")

    def __contains__(self, origin: str | None) -> bool:
        if origin is None:
            return None in self._allowed
        if "*" in self._allowed:
            return True
        try:
            if _split_origin(origin) in self._allowed:
                return True
        except ValueError:
            pass  # no origin that could be named, but a pattern may match it
        return any(pattern.fullmatch(origin) for pattern in self._patterns)


def _split_origin(origin: str | None) -> tuple[str, str, int | None] | str | None:
    if origin in (None, "null", "*"):
        return origin
    if not isinstance(origin, str):
        raise TypeError(f"an origin must be a str, a pattern or None, not {origin!r}")
    lower = origin.lower()
    if _is_hostless(lower):
        return lower
    match = _is_origin(lower)
    if match is None:
        raise ValueError(f"not an origin: {origin!r}")
    scheme, host, port = match.groups()
    return scheme, host, int(port) if port else _DEFAULT_PORTS.get(scheme)
