"""When to connect again: which errors are worth it, how long to wait, and when to give up."""

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

__all__ = ["Backoff", "Failure", "RetryState", "closed_for_good", "worth_retrying"]

# Answers that another try may change (RFC 9110 15.5.9, RFC 6585 4), besides all 5xx.
_RETRY_STATUSES = frozenset({408, 429})
# Ends that are no judgement on what we did (RFC 6455 7.4.1 and the IANA registry). Codes of an
# application, 3000 and up, are one.
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
    """Whether another try may end better: the table in the documentation of reconnection."""
    if isinstance(error, ConnectionClosed):
        return _end_of(error) in _RETRY_CODES and not closed_for_good(error)
    if isinstance(error, (InvalidStatus, InvalidProxyStatus)):
        return error.status >= 500 or error.status in _RETRY_STATUSES
    if isinstance(error, InvalidHandshake):
        # The stream ended before the handshake did.
        return isinstance(error.__cause__, (OSError, EOFError))
    return isinstance(error, OSError) and not _is_tls_refusal(error)


def closed_for_good(error: ConnectionClosed) -> bool:
    """Whether a connection ended because one side was done with it.

    That is a Close of either side with 1000 or no code, or one of ours with 1001.
    """
    code = _end_of(error)
    return code in _GOOD_CODES or (code == CloseCode.GOING_AWAY and _began(error))


def _began(error: ConnectionClosed) -> bool:
    """Whether our Close was the first, or the only one."""
    return error.sent is not None and not error.rcvd_then_sent


def _end_of(error: ConnectionClosed) -> int:
    """The code of the side that began to close; 1006 without a Close."""
    first = error.sent if _began(error) else error.rcvd
    return CloseCode.ABNORMAL_CLOSURE if first is None else first.code


def _is_tls_refusal(error: OSError) -> bool:
    """A certificate or a configuration does not get better; a stream that broke off may.

    By the names of the classes: this layer does not import ssl.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "ssl"}
    return "SSLError" in kinds and kinds.isdisjoint(_TLS_STREAM_ENDED)


class Failure(NamedTuple):
    """A connection was lost, or could not be made."""

    error: Exception
    retries: int
    """RetryState since a connection lasted: 0 when it was that one that was lost."""
    delay: float | None
    """Seconds until the next try; None when there will be none."""


@dataclass(frozen=True)
class Backoff:
    """How to connect again.

    The n-th retry in a row, from 0, waits ``min(max_delay, initial_delay * factor**n)`` seconds,
    less a random share of that of up to ``jitter`` (0 to 1), so that clients of a server that
    restarts do not come back all at once. What a server asks for by ``Retry-After`` is added, up
    to ``max_retry_after`` seconds of it.

    ``max_retries`` is how many there may be in a row, None for any number; a connection that
    lasted for ``reset_after`` seconds begins a new count. The first connection of all is tried
    once, unless ``retry_first``. ``retry(error)`` says whether another try makes sense.
    ``on_failure`` is called with a `Failure` whenever a connection was lost or could not be made.

    Raises ValueError.
    """

    initial_delay: float = 3.0
    factor: float = 1.5
    max_delay: float = 60.0
    jitter: float = 0.5
    max_retries: int | None = 10
    reset_after: float = 10.0
    max_retry_after: float = 3600.0
    retry_first: bool = False
    retry: Callable[[Exception], bool] = worth_retrying
    on_failure: Callable[[Failure], object] | None = None

    def __post_init__(self) -> None:
        for name in ("initial_delay", "max_delay", "reset_after", "max_retry_after"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number of seconds")
        if not 1 <= self.factor < float("inf"):
            raise ValueError("factor is at least 1")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter is a share, 0 to 1")
        if self.max_retries is not None and self.max_retries < 0:
            raise ValueError("max_retries must not be negative")

    def delay(self, retries: int, error: Exception) -> float:
        """Seconds to wait after *error*, when there were *retries* in a row before."""
        try:
            longest = min(self.max_delay, self.initial_delay * self.factor**retries)
        except OverflowError:
            longest = self.max_delay
        asked = min(retry_after(error), self.max_retry_after)
        return asked + longest * (1 - self.jitter * random.random())


def retry_after(error: Exception) -> float:
    """Seconds that a server asked us to stay away (RFC 9110 10.2.3); 0 when it did not."""
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
    """The count of one client."""

    __slots__ = ("backoff", "connections", "retries")

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.connections = 0
        # Since a connection lasted.
        self.retries = 0

    def not_made(self, error: Exception) -> float:
        """A try failed: seconds until the next. Raises *error*, ReconnectionFailed."""
        return self._next(error, self.connections > 0 or self.backoff.retry_first)

    def lost(self, error: ConnectionClosed, lasted: float) -> float:
        """A connection of *lasted* seconds is lost. Returns and raises as `not_made`."""
        if lasted >= self.backoff.reset_after:
            self.retries = 0
        return self._next(error, True)

    def _next(self, error: Exception, allowed: bool) -> float:
        backoff = self.backoff
        if not (allowed and backoff.retry(error)):
            self._tell(error, None)
            raise error
        if backoff.max_retries is not None and self.retries >= backoff.max_retries:
            self._tell(error, None)
            raise ReconnectionFailed(self.retries) from error
        delay = backoff.delay(self.retries, error)
        self._tell(error, delay)
        self.retries += 1
        return delay

    def _tell(self, error: Exception, delay: float | None) -> None:
        if self.backoff.on_failure is not None:
            self.backoff.on_failure(Failure(error, self.retries, delay))
