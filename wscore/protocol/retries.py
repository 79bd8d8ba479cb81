"""Reconnecting by the rules of websockets: always, unless a connection cannot be made for good.

They apply to ``async for ws in connect(...)`` without a `Backoff`: after any end of a connection,
also one with 1000 or 1008, another is made at once. `wscore.protocol.backoff` has rules that stop.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidMessage, InvalidStatus, ReconnectionFailed

if TYPE_CHECKING:
    from ..errors import ConnectionClosed

__all__ = ["EndlessRetries", "ProcessException", "ReconnectDelays", "process_exception",
           "reconnect_delays"]  # fmt: skip

# Returns None for an error after which to try again, or else the error to raise.
ProcessException: TypeAlias = "Callable[[Exception], Exception | None]"
# Returns the seconds to wait before each retry in a row.
ReconnectDelays: TypeAlias = "Callable[[], Iterable[float]]"

_RETRY_STATUSES = frozenset({500, 502, 503, 504})


def process_exception(error: Exception) -> Exception | None:
    """Return None if another try may succeed, and *error* if not.

    It may after OSError, TimeoutError, a stream that ended during the opening handshake, and
    status 500, 502, 503 and 504.
    """
    if isinstance(error, OSError):  # TimeoutError is one
        return None
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, (EOFError, OSError)):
        return None
    if isinstance(error, InvalidStatus) and error.status in _RETRY_STATUSES:
        return None
    return error


def reconnect_delays(
    initial_delay: float = 5.0,
    min_delay: float = 3.1,
    max_delay: float = 90.0,
    factor: float = 1.618,
) -> Generator[float, None, None]:
    """Yield up to *initial_delay* seconds at random, so that clients do not all come at once.

    Those after it grow by *factor* from *min_delay* to *max_delay*: 3.1, 5.0, 8.1 and so on (RFC
    6455 7.2.3).
    """
    yield random.random() * initial_delay
    delay = min_delay
    while True:
        yield min(delay, max_delay)
        delay = min(delay * factor, max_delay)


class EndlessRetries:
    """Decides for one client what it does after a failure, as `RetryState` does by a `Backoff`."""

    __slots__ = ("_delays", "_make_delays", "_process_exception", "connections", "retries")

    def __init__(
        self,
        process: ProcessException = process_exception,
        make_delays: ReconnectDelays = reconnect_delays,
    ) -> None:
        self._process_exception = process
        self._make_delays = make_delays
        self._delays: Iterator[float] | None = None
        self.connections = 0
        """How many connections were made."""
        self.retries = 0
        """How many retries there were since the last one."""

    def not_made(self, error: Exception) -> float:
        """A connection could not be made: return the seconds until the next try.

        Raises what `process_exception` returned or raised, ReconnectionFailed when there are no
        more delays, and ValueError for one that never ends or is negative.
        """
        try:
            fatal = self._process_exception(error)
        except Exception as raised:
            fatal = raised
        if fatal is error:
            raise error
        if fatal is not None:
            raise fatal from error
        if self._delays is None:
            self._delays = iter(self._make_delays())
        delay = next(self._delays, None)
        if delay is None:
            raise ReconnectionFailed(self.retries) from error
        if not 0 <= delay < inf:
            raise ValueError(f"reconnect_delays must give seconds, not {delay!r}") from error
        self.retries += 1
        return delay

    def ended(self, error: ConnectionClosed, lasted: float) -> float:
        """A connection ended with *error*, whatever it says: the next is tried at once."""
        self._delays, self.retries = None, 0
        return 0.0
