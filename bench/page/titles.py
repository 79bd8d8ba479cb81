"""What the cases are called on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import asgi, bridge, broadcast, nodes, tls
from ..texts import size_name

__all__ = ["title"]

_BY_NAME = {
    "client-256B": "client, round trips of 256 B",
    "connections": "1,000 handshakes, idle connections",
    "deflate-4KiB-json-level6": "4 KiB of JSON, level 6, 16 connections",
    "deflate-4KiB-json-level1": "4 KiB of JSON, level 1, 16 connections",
    "deflate-latency": "64 B beside compressed messages of 16 MiB on another connection",
    "deflate-connections-20B": "1,000 handshakes; memory after 20 B, not compressed",
    "deflate-connections-20B-compressed": "1,000 handshakes; memory after 20 B, compressed",
    "deflate-connections-4KiB": "1,000 handshakes; memory after 4 KiB, compressed both ways",
    "deflate-agreed-64B-1": "64 B sent plain with compression agreed, 1 in flight",
    "deflate-agreed-64B-32": "64 B sent plain with compression agreed, 32 in flight",
    "heartbeat-64B-1": "64 B with and without heartbeats, 1 in flight",
    "heartbeat-64B-32": "64 B with and without heartbeats, 32 in flight",
    "compare-rate-1": "1 message of 100 B a second to 100 clients",
    "compare-rate-10": "10 messages of 100 B a second to 100 clients",
    "compare-rate-100": "100 messages of 100 B a second to 100 clients",
    "compare-idle": "1,000 idle clients",
    "compare-binary": "16,384 bytes, 20 times a second, to 20 clients",
    "compare-upstream": "100 B from 16 clients, each answered",
    "compare-recovery": "the server is killed: when clients of Python go on",
    "compare-browser-1": "one page in Chromium, 1 message a second",
    "compare-browser-10": "one page in Chromium, 10 messages a second",
    "compare-browser-100": "one page in Chromium, 100 messages a second",
    "compare-browser-upstream": "messages of one page in Chromium, each answered",
    "compare-browser-streams": "streams of one Chromium to one server at a time",
    "compare-browser-recovery": "the server is killed: when a page in Chromium goes on",
    **asgi.TITLES,
    **broadcast.TITLES,
    **{f"nodes-{name}": row.title for name, row in nodes.ROWS.items()},
    **{f"bridge-{name}": row.title for name, row in bridge.ROWS.items()},
    **{f"tls-{name}": row.title for name, row in tls.ROWS.items()},
}


def title(case: str | Mapping[str, Any]) -> str:
    """The title of a case, given by its name or as it is written in results."""
    if isinstance(case, str):
        return _BY_NAME.get(case, case)
    load = case.get("load") or {}
    if case["name"].startswith("echo-"):
        # As the page explains: connections, and messages under way on each.
        under_way = f"{load['connections']} x {load['in_flight']}"
        return f"echo, {size_name(load['size'])} {load['kind']}, {under_way} in flight"
    return title(case["name"])
