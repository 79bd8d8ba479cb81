"""Where a bridge connects to, and what it says when that fails."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..aio.client.dialing import create_connection, create_unix_connection
from ..aio.client.tls import default_tls
from ..aio.options import check_ssl
from ..codes import CloseCode
from ..protocol.checks import check_integer, check_kind
from ..protocol.hosts import host_and_port, split_host_and_port, tls_name

if TYPE_CHECKING:
    import ssl as tls

__all__ = ["Failure", "Target", "failure_of", "is_name"]

# A segment of a path that nothing encodes or decodes (RFC 3986 2.3).
_is_segment = re.compile(r"[A-Za-z0-9._~-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A TCP server at *host* and *port*, or the unix socket at *path*.

    *ssl* is an ``ssl.SSLContext``, or True for one with the usual checks; *server_hostname* is the
    name to expect in the certificate, *host* by default. Raises TypeError, ValueError.
    """

    host: str | None = None
    port: int | None = None
    path: str | None = None
    ssl: tls.SSLContext | bool = False
    server_hostname: str | None = None

    def __post_init__(self) -> None:
        check_kind("host", self.host, str, "a str", optional=True)
        check_integer("port", self.port, least=1, most=65535, optional=True)
        check_kind("path", self.path, str, "a str", optional=True)
        check_kind("server_hostname", self.server_hostname, str, "a str", optional=True)
        if not isinstance(self.ssl, bool):
            check_ssl(self.ssl)
        if self.path is None and (not self.host or self.port is None):
            raise ValueError("a target is a host and a port, or a path")
        if self.path is not None and (self.host is not None or self.port is not None):
            raise ValueError("host and port, and path exclude each other")
        if self.server_hostname is not None and not self.ssl:
            raise ValueError("server_hostname is for TLS only")
        if self.path is not None and self.ssl and not self.server_hostname:
            raise ValueError("TLS over a unix socket needs server_hostname")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse ``HOST:PORT``, ``tls:HOST:PORT`` or ``unix:PATH``; IPv6 stands in brackets.

        Raises ValueError.
        """
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest:
            return cls(path=rest)
        try:
            host, port = split_host_and_port(rest if kind == "tls" else text)
            if not (port.isascii() and port.isdecimal() and host.isprintable()):
                raise ValueError
            return cls(host=host, port=int(port), ssl=kind == "tls")
        except ValueError:
            raise ValueError(
                f"a target is HOST:PORT, tls:HOST:PORT or unix:PATH, with brackets around IPv6: "
                f"{text!r}"
            ) from None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        assert self.host is not None
        assert self.port is not None
        return f"{'tls:' if self.ssl else ''}{host_and_port(self.host, self.port)}"

    async def connect(self, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        """Connect a protocol of *factory*. Raises OSError."""
        where: dict[str, Any] = {}
        if self.ssl:
            where["ssl"] = await default_tls() if self.ssl is True else self.ssl
            where["server_hostname"] = self.server_hostname or tls_name(self.host or "")
        if self.path is not None:
            await create_unix_connection(factory, self.path, where)
        else:
            await create_connection(factory, {"host": self.host, "port": self.port, **where})


def is_name(name: str) -> bool:
    """Whether *name* may stand for a target in a path: nothing in it is ever encoded."""
    return _is_segment(name) is not None and name not in (".", "..")


class Failure(NamedTuple):
    """Why a stream failed: a word for statistics, and what the WebSocket is closed with."""

    word: str
    code: int
    reason: str


REFUSED = Failure("refused", CloseCode.BAD_GATEWAY, "the target refused the connection")
TIMEOUT = Failure("timeout", CloseCode.BAD_GATEWAY, "the target did not answer in time")
UNKNOWN = Failure("name", CloseCode.BAD_GATEWAY, "the target's name is unknown")
CERTIFICATE = Failure("tls", CloseCode.BAD_GATEWAY, "the target's certificate is not valid")
TLS = Failure("tls", CloseCode.BAD_GATEWAY, "TLS with the target failed")
RESET = Failure("reset", CloseCode.BAD_GATEWAY, "the target reset the connection")
UNREACHABLE = Failure("unreachable", CloseCode.BAD_GATEWAY, "the target cannot be reached")
EXHAUSTED = Failure("exhausted", CloseCode.INTERNAL_ERROR, "the bridge has no descriptors left")
BROKEN = Failure("error", CloseCode.INTERNAL_ERROR, "the bridge failed")

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


def failure_of(error: BaseException) -> Failure:
    """What *error*, of connecting or of a stream, is called; no text of it goes to a peer."""
    import ssl  # slow to import, and not every bridge has it

    number = getattr(error, "errno", None)
    kinds: list[tuple[tuple[type[BaseException], ...], Failure]] = [
        ((ssl.SSLCertVerificationError,), CERTIFICATE),
        ((ssl.SSLError,), TLS),
        ((asyncio.TimeoutError, TimeoutError), TIMEOUT),
        ((ConnectionRefusedError, FileNotFoundError), REFUSED),
        ((socket.gaierror, UnicodeError), UNKNOWN),
        ((ConnectionResetError, BrokenPipeError, ConnectionAbortedError), RESET),
    ]
    if number in _EXHAUSTED and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return EXHAUSTED
    for classes, failure in kinds:
        if isinstance(error, classes):
            return failure
    return UNREACHABLE if isinstance(error, OSError) else BROKEN
