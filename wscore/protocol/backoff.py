"""Whether to connect again after an error, how long to wait before, and when to give up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ..codes import CloseCode
from ..errors import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxyStatus,
    InvalidStatus,
    ReconnectionFailed,
)
from .checks import check_function, check_integer, check_kind, check_number, check_seconds

__all__ = ["Backoff", "Failure", "RetryState", "closed_for_good", "worth_retrying"]

# Besides 5xx: 408 Request Timeout (RFC 9110 15.5.9) and 429 Too Many Requests (RFC 6585 4).
_RETRY_STATUSES = frozenset({408, 429})
# Close codes that do not blame the client (RFC 6455 7.4.1 and the IANA registry). An application's
# own codes, 3000 and up, are not here: it may well mean that the client should stay away.
_RETRY_CODES = frozenset(
    {
        CloseCode.GOING_AWAY,
        CloseCode.ABNORMAL_CLOSURE,
        CloseCode.INTERNAL_ERROR,
        CloseCode.SERVICE_RESTART,
        CloseCode.TRY_AGAIN_LATER,
        CloseCode.BAD_GATEWAY,
    }
)
_TLS_STREAM_ENDED = frozenset({"SSLEOFError", "SSLZeroReturnError", "SSLSyscallError"})
_GOOD_CODES = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.NO_STATUS_RCVD})


def worth_retrying(error: Exception) -> bool:
    """Whether another try may succeed, by the table in the documentation of reconnection."""
    if isinstance(error, ConnectionClosed):
        return _closing_code(error) in _RETRY_CODES and not closed_for_good(error)
    if isinstance(error, (InvalidStatus, InvalidProxyStatus)):
        return error.status >= 500 or error.status in _RETRY_STATUSES
    if isinstance(error, InvalidHandshake):
        # The stream ended during the handshake.
        return isinstance(error.__cause__, (OSError, EOFError))
    return isinstance(error, OSError) and not _is_tls_refusal(error)


def closed_for_good(error: ConnectionClosed) -> bool:
    """Whether a connection ended because one side had no more use for it.

    That is: either side closed it with 1000 or without a code, or we closed it with 1001.
    """
    code = _closing_code(error)
    return code in _GOOD_CODES or (code == CloseCode.GOING_AWAY and _closed_by_us(error))


def _closed_by_us(error: ConnectionClosed) -> bool:
    """Whether our Close was the first, or the only one."""
    return error.sent is not None and not error.rcvd_then_sent


def _closing_code(error: ConnectionClosed) -> int:
    """The code that the side that closed first sent; 1006 if nobody sent a Close."""
    first = error.sent if _closed_by_us(error) else error.rcvd
    return CloseCode.ABNORMAL_CLOSURE if first is None else first.code


def _is_tls_refusal(error: OSError) -> bool:
    """Whether TLS failed for good: on a certificate or a setting, not because the stream ended.

    Classes are compared by name, because this layer does not import ssl. Their modules are ssl,
    _ssl and, on PyPy, _cffi_ssl.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__ if "ssl" in kind.__module__}
    return "SSLError" in kinds and kinds.isdisjoint(_TLS_STREAM_ENDED)


class Failure(NamedTuple):
    """A connection was lost, or could not be made."""

    error: Exception
    """Why."""
    retries: int
    """Tries that failed since a connection lasted; 0 if it is that connection that was lost."""
    delay: float | None
    """Seconds until the next try; None if there will be none."""


@dataclass(frozen=True)
class Backoff:
    """When a client reconnects.

    The n-th retry in a row, counted from 0, comes after ``min(max_delay, initial_delay *
    factor**n)`` seconds, less a random part of up to *jitter* of that, so that not all clients of
    a restarted server come back at the same moment. The seconds that a server asks for with
    ``Retry-After`` are added, *max_retry_after* at most.

    A client gives up after *max_retries* retries in a row, and never if that is None. A connection
    that lasted *reset_after* seconds starts the count again. The very first connection is tried
    once only, unless *retry_first*.

    *retry* gets the error and returns whether another try makes sense. *on_failure* is called with
    a `Failure` whenever a connection was lost or could not be made.

    Raises TypeError and ValueError, which name the setting.
    """

    initial_delay: float = 3.0
    """Seconds before the first retry."""
    factor: float = 1.5
    """By how much each delay is longer than the one before; at least 1."""
    max_delay: float = 60.0
    """Seconds, the longest delay."""
    jitter: float = 0.5
    """The part of a delay that is left to chance, 0 to 1."""
    max_retries: int | None = 10
    reset_after: float = 10.0
    """Seconds."""
    max_retry_after: float = 3600.0
    """Seconds."""
    retry_first: bool = False
    retry: Callable[[Exception], bool] = worth_retrying
    on_failure: Callable[[Failure], object] | None = None

    def __post_init__(self) -> None:
        for name in ("initial_delay", "max_delay", "reset_after", "max_retry_after"):
            check_seconds(name, getattr(self, name))
        check_number("factor", self.factor, "a number of at least 1", 1)
        check_number("jitter", self.jitter, "a number from 0 to 1", 0, 1)
        check_integer("max_retries", self.max_retries, optional=True)
        check_kind("retry_first", self.retry_first, bool, "a bool")
        check_function("retry", self.retry)
        check_function("on_failure", self.on_failure, optional=True)

    def delay(self, retries: int, error: Exception) -> float:
        """Seconds to wait after *error*, if it follows *retries* retries in a row."""
        try:
            longest = min(self.max_delay, self.initial_delay * self.factor**retries)
        except OverflowError:
            longest = self.max_delay
        asked = min(retry_after(error), self.max_retry_after)
        return asked + longest * (1 - self.jitter * random.random())


def retry_after(error: Exception) -> float:
    """Seconds for which a server asked us to stay away (RFC 9110 10.2.3); 0 if it did not."""
    if not isinstance(error, (InvalidStatus, InvalidProxyStatus)):
        return 0.0
    values = error.response.headers.get_all("Retry-After")
    if len(values) != 1:
        return 0.0
    [value] = values
    if value.isascii() and value.isdigit():
        return float(value[:18])
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    if date.tzinfo is None:  # "-0000"
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())


class RetryState:
    """Counts the retries of one client, and decides after each failure what it does next."""

    __slots__ = ("backoff", "connections", "retries")

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.connections = 0
        """How many connections were made."""
        self.retries = 0
        """How many retries there were since a connection lasted."""

    def not_made(self, error: Exception) -> float:
        """A connection could not be made: return the seconds until the next try.

        Raises *error* if there is no use in trying again, ReconnectionFailed after too many tries.
        """
        may_retry = self.connections > 0 or self.backoff.retry_first
        return self._decide(error, may_retry and self.backoff.retry(error))

    def lost(self, error: ConnectionClosed, lasted: float) -> float:
        """A connection ended after *lasted* seconds; returns and raises as `not_made`."""
        if lasted >= self.backoff.reset_after:
            self.retries = 0
        return self._decide(error, self.backoff.retry(error))

    def ended(self, error: ConnectionClosed, lasted: float) -> float | None:
        """As `lost`, and None if the connection was closed for good: the client stops."""
        return None if closed_for_good(error) else self.lost(error, lasted)

    def _decide(self, error: Exception, may_retry: bool) -> float:
        if not may_retry:
            self._report(error, None)
            raise error
        most = self.backoff.max_retries
        if most is not None and self.retries >= most:
            self._report(error, None)
            raise ReconnectionFailed(self.retries) from error
        delay = self.backoff.delay(self.retries, error)
        self._report(error, delay)
        self.retries += 1
        return delay

    def _report(self, error: Exception, delay: float | None) -> None:
        if self.backoff.on_failure is not None:
            self.backoff.on_failure(Failure(error, self.retries, delay))
