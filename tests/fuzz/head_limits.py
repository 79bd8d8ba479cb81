"""Limits of HTTP heads, as the table in the documentation has them."""

from __future__ import annotations

from typing import Any

from wscore.protocol.http11 import MAX_HEAD, MAX_HEADERS, MAX_LINE

# Those of the parsers, and others that a mutation reaches soon.
LIMITS: tuple[dict[str, Any], ...] = (
    {"max_line": MAX_LINE, "max_headers": MAX_HEADERS, "max_head": MAX_HEAD},
    {"max_line": 40, "max_headers": 3, "max_head": 100},
    {"max_line": 30, "max_headers": 100, "max_head": 64},
    {"max_line": 100, "max_headers": 0, "max_head": 120},
)


def within_limits(head: bytes, max_line: int, max_headers: int, max_head: int) -> bool:
    """Whether a whole head, with the empty line that ends it, has to be accepted."""
    lines = head[:-4].split(b"\r\n")
    return (
        len(head) <= max_head
        and len(lines) - 1 <= max_headers
        and all(len(line) <= max_line for line in lines)
    )
