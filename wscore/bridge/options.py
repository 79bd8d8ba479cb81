"""The options that both directions of a bridge have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocol.checks import check_integer, check_kind, check_seconds

if TYPE_CHECKING:
    from ..aio.options import ConnectionOptions

__all__ = ["NOT_FOR_BRIDGES", "READ_SIZE", "BridgeOptions"]

READ_SIZE = 262144
# Keywords that a bridge does not leave to others: with the first two bytes may get lost.
NOT_FOR_BRIDGES = ("max_unsent", "overflow", "require_subprotocol")


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """What all connections of a bridge have in common. Raises TypeError, ValueError."""

    connection: ConnectionOptions
    text: bool = False
    idle_timeout: float | None = None
    read_size: int = READ_SIZE

    def __post_init__(self) -> None:
        check_kind("text", self.text, bool, "a bool")
        check_seconds("idle_timeout", self.idle_timeout, positive=True, optional=True)
        check_integer("read_size", self.read_size, least=4, most=1 << 24)

    @property
    def close_timeout(self) -> float | None:
        """Seconds for the end of a connection, on either side."""
        return self.connection.close_timeout

    @property
    def write_limits(self) -> tuple[int, int | None]:
        """Bytes at which either side has to wait, and goes on."""
        return self.connection.write_limits
