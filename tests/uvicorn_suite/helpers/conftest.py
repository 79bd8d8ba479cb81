"""Puts `wscore.asgi.WebSocketProtocol` in the place of uvicorn's own classes, in its own tests.

It is copied beside `test_websocket.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.protocols import test_websocket

from wscore.asgi import WebSocketProtocol


class Tested(WebSocketProtocol):
    """Our class, with the attributes of uvicorn's own that the tests look at."""

    @property
    def close_timer(self) -> object:
        """What bounds the closing handshake; None when that is over."""
        return None if self.lost or self.transport.is_closing() else self._close_timer

    @property
    def close_timeout(self) -> float | None:
        return self.options.close_timeout

    @close_timeout.setter
    def close_timeout(self, seconds: float) -> None:
        self.options = replace(self.options, close_timeout=seconds)

    @property
    def ping_timer(self) -> object:
        return self._heartbeat

    @property
    def ping_sent_at(self) -> float:
        """0 before the first ping."""
        return float(self.protocol.writer.pings)


class Transport(test_websocket.MockWriteTransport):  # type: ignore[misc]
    """The transport of the tests, with methods that all transports of asyncio have."""

    def set_protocol(self, protocol: object) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def abort(self) -> None:
        self.close()


test_websocket.MockWriteTransport = Transport
# Some tests name this class themselves, or are for that and wsproto's only.
test_websocket.WebSocketsSansIOProtocol = Tested


@pytest.fixture
def ws_protocol_cls() -> Any:
    return Tested


@pytest.fixture(params=["httptools_impl:HttpToolsProtocol", "h11_impl:H11Protocol"])
def http_protocol_cls(request: pytest.FixtureRequest) -> Any:
    from uvicorn.importer import import_from_string

    return import_from_string(f"uvicorn.protocols.http.{request.param}")
