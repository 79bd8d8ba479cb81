"""A transport that counts what is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wscore.aio.connection.wire import Wire
from wscore.aio.server.pending import PendingConnection

if TYPE_CHECKING:
    import pytest


class SpyTransport:
    """Passes everything on to *transport*; ``writes`` has each write's bytes."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.writes: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport says, but no socket that could be written to past the spy."""
        return default if name == "socket" else self.transport.get_extra_info(name, default)

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))
        self.transport.write(data)

    def writelines(self, parts: list[Any]) -> None:
        self.writes.append(b"".join(parts))
        self.transport.writelines(parts)


def spy_on_wires(monkeypatch: pytest.MonkeyPatch) -> list[SpyTransport]:
    """Have every connection made from now on write to a spy; returns them as they are made."""
    spies: list[SpyTransport] = []

    def spy_on(kind: type[Any]) -> None:
        made = kind.connection_made

        def connection_made(self: Any, transport: Any) -> None:
            if not isinstance(transport, SpyTransport):  # a server's connection gets an arrival's
                transport = SpyTransport(transport)
                spies.append(transport)
            made(self, transport)

        monkeypatch.setattr(kind, "connection_made", connection_made)

    spy_on(PendingConnection)
    spy_on(Wire)
    return spies
