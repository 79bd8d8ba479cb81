"""The connection of either side, and what is sent to many."""

from __future__ import annotations

from .... import Connection, broadcast
from ..lazy import lazy_names

__all__ = ["Connection", "broadcast"]

# Names that programs take from here, although they stand elsewhere.
__getattr__, __dir__ = lazy_names(
    globals(),
    {
        **dict.fromkeys(
            ("ConcurrencyError", "ConnectionClosed", "ConnectionClosedOK"), ".exceptions"
        ),
        **dict.fromkeys(("CloseCode", "Opcode"), ".frames"),
        **dict.fromkeys(("Request", "Response"), ".http11"),
        **dict.fromkeys(("Protocol", "Side", "State"), ".protocol"),
        **dict.fromkeys(("Data", "LoggerLike", "Subprotocol"), ".typing"),
    },
)
