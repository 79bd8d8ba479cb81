"""The client of websockets' first asyncio API: `connect` of today, with the old keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..asyncio.client import ClientConnection
from ..asyncio.client import connect as connect_of_today
from ..asyncio.keywords import shows_its_own_keywords
from .protocol import WebSocketCommonProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..datastructures import HeadersLike

__all__ = ["WebSocketClientProtocol", "connect", "unix_connect"]


class WebSocketClientProtocol(WebSocketCommonProtocol, ClientConnection):
    """A connection with the old attributes."""


@shows_its_own_keywords
class connect(connect_of_today):
    """`websockets.asyncio.client.connect` with *extra_headers* and *create_protocol*.

    *read_limit* has no meaning for the engine.
    """

    def __init__(
        self,
        uri: str,
        *,
        create_protocol: Callable[..., ClientConnection] | None = None,
        extra_headers: HeadersLike | None = None,
        close_timeout: float | None = None,
        max_queue: int | None = 32,
        read_limit: int = 2**16,
        write_limit: int = 2**16,
        **options: Any,
    ) -> None:
        super().__init__(
            uri,
            create_connection=create_protocol or WebSocketClientProtocol,
            additional_headers=extra_headers,
            close_timeout=10 if close_timeout is None else close_timeout,
            max_queue=max_queue,
            write_limit=write_limit,
            **options,
        )


def unix_connect(path: str | None = None, uri: str = "ws://localhost/", **options: Any) -> connect:
    """`connect` over the unix socket at *path*."""
    return connect(uri, path=path, **options)
