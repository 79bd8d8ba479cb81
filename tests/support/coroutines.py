"""Coroutines of a connection, for tests that look at them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import wscore

from .oracles import WireFrame
from .rawpeer import TEXT, echo, serving, uri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["AGAIN", "METHODS", "each_method", "echoing", "text"]

# What is said of one that is over.
AGAIN = "cannot reuse already awaited coroutine"

METHODS: dict[str, Callable[[wscore.Connection], Any]] = {
    "recv": lambda ws: ws.recv(),
    "__anext__": lambda ws: ws.__anext__(),
    "send": lambda ws: ws.send("text"),
    "drain": lambda ws: ws.drain(),
}
each_method = pytest.mark.parametrize("name", METHODS)


@asynccontextmanager
async def echoing(**options: Any) -> AsyncIterator[wscore.ClientConnection]:
    """A connection to a server that echoes."""
    async with serving(echo) as server, wscore.connect(uri(server), **options) as ws:
        yield ws


def text(payload: bytes) -> WireFrame:
    return WireFrame(TEXT, payload)
