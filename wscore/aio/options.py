"""The options of both roles: names, defaults and checks.

An option of both roles is in this file only: as a field of `ConnectionOptions`, and as a line
of `ConnectionKeywords` for type checkers. `serve` and `connect` take their keywords from here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from logging import Logger, LoggerAdapter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, get_args

from .._backend import MAX_FRAGMENTS, MAX_SIZE
from ..protocol.checks import (
    check_head_limits,
    check_integer,
    check_kind,
    check_seconds,
    checked_list,
    mismatch,
)
from ..protocol.extensions import Extension
from ..protocol.http11 import MAX_HEAD, MAX_HEADERS, MAX_LINE
from .logs import logger, traffic

if TYPE_CHECKING:
    import ssl

    from _typeshed import DataclassInstance
    from typing_extensions import ParamSpec, Unpack

    _Parameters = ParamSpec("_Parameters")

__all__ = [
    "Compression",
    "ConnectionKeywords",
    "ConnectionOptions",
    "Overflow",
    "check_keywords",
    "check_ssl",
    "loop_keywords",
    "loop_option",
    "pick",
    "with_keywords",
]

# What happens to a message beyond `max_unsent`.
Overflow: TypeAlias = Literal["wait", "drop_newest", "drop_oldest", "close"]
# The usual permessage-deflate, one with options of its own, or none.
Compression: TypeAlias = "Literal['deflate'] | Extension | None"
# A limit, a limit and a second one, or none.
Limits: TypeAlias = "int | tuple[int | None, int | None] | None"

_Kind = TypeVar("_Kind", bound="DataclassInstance")
_Call = TypeVar("_Call", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The options of a connection; all connections of a server share one object.

    Durations are in seconds, sizes in bytes, and None lifts a limit. Raises TypeError and
    ValueError, which name the option.
    """

    open_timeout: float | None = 10
    """For the opening handshake, the TCP connection and TLS included."""
    close_timeout: float | None = 10
    """For the closing handshake and the end of the TCP connection."""
    ping_interval: float | None = 30
    """Between two pings; None for no heartbeat."""
    ping_timeout: float | None = 20
    """How long a peer may be silent after a ping; None for any time."""
    max_size: Limits = MAX_SIZE
    """Bytes of a received message; with a pair, of a message and of a fragment."""
    max_fragments: int | None = MAX_FRAGMENTS
    """Frames of a received message."""
    max_queue: Limits = 16
    """Received messages that may wait for the application before reading pauses; with a pair,
    also how few wait when reading goes on, which are none otherwise."""
    write_limit: int | tuple[int, int | None] = 65536
    """Bytes that a transport may hold before those who send wait; with a pair, also how few it
    holds when they go on, which is a quarter otherwise."""
    max_unsent: int | None = 16777216
    """Bytes of messages that wait to be sent; see *overflow*."""
    overflow: Overflow = "wait"
    """What happens to a message beyond *max_unsent*."""
    compression: Compression = "deflate"
    """permessage-deflate (RFC 7692): the usual one, one with other parameters, or none."""
    extensions: Sequence[Extension] | None = ()
    """Other extensions to negotiate, by preference; None for no others."""
    max_line_size: int = MAX_LINE
    """Bytes of a line of the peer's head: its first line, or a header."""
    max_headers: int = MAX_HEADERS
    """Lines of headers in the peer's head."""
    max_head_size: int = MAX_HEAD
    """Bytes of the peer's head, the request or answer of the opening handshake."""
    logger: Logger | LoggerAdapter[Any] | None = None
    """Gets all records; None for ``wscore``, and ``wscore.traffic`` for messages."""

    enabled_extensions: tuple[Extension, ...] = field(init=False, repr=False, compare=False)
    """What may be negotiated, by preference: *extensions*, then *compression*."""
    max_queue_bytes: int | None = field(init=False, repr=False, compare=False)
    """Bytes of received messages that may wait for the application before reading pauses."""
    queue_limits: tuple[int | None, int] = field(init=False, repr=False, compare=False)
    """*max_queue* as a pair."""
    write_limits: tuple[int, int | None] = field(init=False, repr=False, compare=False)
    """*write_limit* as a pair, with marks at which every transport pauses and resumes."""
    log: Logger | LoggerAdapter[Any] = field(init=False, repr=False, compare=False)
    """Where records go."""
    traffic_log: Logger | LoggerAdapter[Any] = field(init=False, repr=False, compare=False)
    """Where messages are logged."""

    def __post_init__(self) -> None:
        check_seconds("open_timeout", self.open_timeout, optional=True)
        check_seconds("close_timeout", self.close_timeout, optional=True)
        check_seconds("ping_interval", self.ping_interval, positive=True, optional=True)
        check_seconds("ping_timeout", self.ping_timeout, positive=True, optional=True)
        # Numbers first: a client checks its options for each connection.
        max_message: Any = self.max_size
        if isinstance(max_message, tuple):
            max_message, _ = _checked_pair("max_size", max_message)
        else:
            check_integer("max_size", max_message, optional=True)
        check_integer("max_fragments", self.max_fragments, least=1, optional=True)
        queue_limits: Any = (self.max_queue, 0)
        if isinstance(self.max_queue, tuple):
            queue_limits = _queue_limits(self.max_queue)
        else:
            check_integer("max_queue", self.max_queue, least=1, optional=True)
        # TLS transports pause as soon as they hold this: at 0 they never resume.
        write_limits: Any = (self.write_limit or 1, None)
        if isinstance(self.write_limit, tuple):
            write_limits = _write_limits(self.write_limit)
        else:
            check_integer("write_limit", self.write_limit)
        check_integer("max_unsent", self.max_unsent, optional=True)
        _check_overflow(self.overflow)
        check_head_limits(self.max_line_size, self.max_headers, self.max_head_size)
        given = () if self.extensions is None else self.extensions
        extensions = checked_list("extensions", given, Extension, "extensions")
        compression = _compression(self.compression)
        if self.logger is not None:
            check_kind("logger", self.logger, (Logger, LoggerAdapter), "a logger or None")
        max_queue_bytes = None if max_message is None else 4 * max_message
        for name, value in (
            ("extensions", extensions),
            ("enabled_extensions", (*extensions, *compression)),
            ("max_queue_bytes", max_queue_bytes),
            ("queue_limits", queue_limits),
            ("write_limits", write_limits),
            ("log", self.logger or logger),
            ("traffic_log", self.logger or traffic),
        ):
            object.__setattr__(self, name, value)  # the dataclass is frozen


class ConnectionKeywords(TypedDict, total=False):
    """The fields of `ConnectionOptions`, for ``**options: Unpack[...]``."""

    open_timeout: float | None
    close_timeout: float | None
    ping_interval: float | None
    ping_timeout: float | None
    max_size: Limits
    max_fragments: int | None
    max_queue: Limits
    write_limit: int | tuple[int, int | None]
    max_unsent: int | None
    overflow: Overflow
    compression: Compression
    extensions: Sequence[Extension] | None
    max_line_size: int
    max_headers: int
    max_head_size: int
    logger: Logger | LoggerAdapter[Any] | None


if TYPE_CHECKING:
    # Type checkers see here that both have the same names and types.

    def _each_keyword_is_a_field(**keywords: Unpack[ConnectionKeywords]) -> ConnectionOptions:
        return ConnectionOptions(**keywords)

    def _same_parameters(
        made: Callable[_Parameters, object],
    ) -> Callable[[Callable[_Parameters, object]], None]: ...

    # Each field is a keyword.
    _same_parameters(ConnectionOptions)(_each_keyword_is_a_field)


def _checked_pair(
    name: str, value: tuple[Any, ...], *, least: int = 0, optional: bool = True
) -> tuple[int | None, int | None]:
    """*value*, a pair of limits. Raises TypeError, ValueError."""
    if len(value) != 2:
        raise TypeError(mismatch(name, "an integer or a pair of them", value))
    first, second = value
    check_integer(name, first, least=least, optional=optional)
    check_integer(name, second, optional=True)
    return first, second


def _queue_limits(max_queue: tuple[Any, ...]) -> tuple[int | None, int]:
    most, low = _checked_pair("max_queue", max_queue, least=1)
    if low is not None and (most is None or low >= most):
        raise ValueError(mismatch("max_queue", "a pair whose second is less", max_queue))
    return most, low or 0


def _write_limits(write_limit: tuple[Any, ...]) -> tuple[int, int | None]:
    high, low = _checked_pair("write_limit", write_limit, optional=False)
    assert high is not None
    if low is not None and low > high:
        raise ValueError(mismatch("write_limit", "a pair whose second is not more", write_limit))
    return max(high, 1), low


def _check_overflow(overflow: object) -> None:
    known = get_args(Overflow)
    expected = f"one of {', '.join(map(repr, known))}"
    check_kind("overflow", overflow, str, expected)
    if overflow not in known:
        raise ValueError(mismatch("overflow", expected, overflow))


def _compression(compression: object) -> tuple[Extension, ...]:
    if compression is None:
        return ()
    if isinstance(compression, Extension):
        return (compression,)
    expected = "'deflate', an extension or None"
    check_kind("compression", compression, str, expected)
    if compression != "deflate":
        raise ValueError(mismatch("compression", expected, compression))
    from ..protocol.deflate import PerMessageDeflate

    return (PerMessageDeflate(),)


def check_ssl(context: ssl.SSLContext | None, name: str = "ssl") -> None:
    """Demand that the option *name* is a TLS context or None."""
    if context is not None:
        import ssl  # slow to import, but whoever has a context has it already

        check_kind(name, context, ssl.SSLContext, "an ssl.SSLContext", optional=True)


# Keywords from dataclasses ---------------------------------------------------------------------


def pick(kind: type[_Kind], options: Mapping[str, Any]) -> _Kind:
    """Return a *kind* made of those *options* that are its fields."""
    names = [item.name for item in fields(kind) if item.init]
    return kind(**{name: options[name] for name in names if name in options})


def check_keywords(call: type, options: Mapping[str, Any]) -> None:
    """Refuse keywords that *call*, decorated with `with_keywords`, does not have: TypeError."""
    known = inspect.signature(call).parameters
    for name in options:
        if name not in known:
            message = f"{call.__name__}() got an unexpected keyword argument {name!r}"
            similar = get_close_matches(name, known, 1)
            raise TypeError(message + (f"; did you mean {similar[0]!r}?" if similar else ""))


def with_keywords(
    *sources: Callable[..., Any], without: Sequence[str] = (), **defaults: Any
) -> Callable[[_Call], _Call]:
    """Show the keywords of *sources* in a signature, in place of its ``**options``.

    *defaults* are those that are not the same as in *sources*.
    """
    added = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for source in sources
        for parameter in inspect.signature(source).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in without
    ]

    def decorate(call: _Call) -> _Call:
        signature = inspect.signature(call)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        described: Any = call
        described.__signature__ = signature.replace(parameters=[*own, *added])
        return call

    return decorate


# Options that go to the event loop -------------------------------------------------------------


def loop_option(
    default: Any,
    *,
    tcp: bool = True,
    unix: bool = False,
    tls: bool = False,
    since: tuple[int, int] = (3, 0),
) -> Any:
    """A field that becomes a keyword of one of the event loop's methods.

    *tcp* and *unix* tell for which sockets it is, *tls* whether it is for TLS only, and *since*
    which version of Python introduced it.
    """
    rules = {"tcp": tcp, "unix": unix, "tls": tls, "since": since}
    return field(default=default, metadata=rules)


def loop_keywords(options: Any, *, unix: bool, tls: bool) -> dict[str, Any]:
    """The keywords for the loop: those *options* that are not at their default.

    Raises TypeError and ValueError for those that do not fit a unix socket, or one without TLS.
    """
    given: dict[str, Any] = {}
    for item in fields(options):
        value, rules = getattr(options, item.name), item.metadata
        if value == item.default:
            continue
        if sys.version_info < rules["since"]:
            raise TypeError(f"{item.name} needs Python {'.'.join(map(str, rules['since']))}")
        if not rules["unix" if unix else "tcp"]:
            raise TypeError(f"{item.name} is not for {'unix' if unix else 'TCP'} sockets")
        if rules["tls"] and not tls:
            raise ValueError(f"{item.name} is for TLS only")
        given[item.name] = value
    return given
