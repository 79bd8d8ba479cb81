"""Which TLS transport connections have, our own or that of the event loop, and how they get it.

Our own goes over any plain transport.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, cast

from ..loop import loop_data
from .tls_transport import HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT, TLSTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Factory = Callable[[], asyncio.BaseProtocol]
    Dial = Callable[[Factory, dict[str, Any]], Awaitable[tuple[Any, Any]]]

__all__ = ["has_own_tls", "over_tls", "serve_tls", "split_tls", "upgrade"]

# The keywords of the event loop's methods that are for TLS.
_KEYWORDS = ("ssl", "server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")


def has_own_tls(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether connections of *loop* get our transport of TLS.

    Raises RuntimeError if our own transports are wanted and there are none.
    """
    shared = loop_data(loop)
    if shared.transport == "asyncio":
        return False
    return shared.reactor(loop) is not None or _is_faster_over_those_of(loop)


def _is_faster_over_those_of(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether our TLS over the plain transports of *loop* is faster than its own TLS."""
    return isinstance(loop, asyncio.SelectorEventLoop)  # uvloop's is as fast


def split_tls(where: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords for a plain connection among *where*, and those for TLS."""
    plain = {name: where[name] for name in where if name not in _KEYWORDS}
    return plain, {name: where[name] for name in where if name in _KEYWORDS}


async def over_tls(dial: Dial, factory: Factory, where: dict[str, Any]) -> tuple[Any, Any]:
    """Connect by *dial*, which takes a factory and the event loop's keywords, over our own TLS.

    Returns the transport and the protocol. Without TLS in *where*, or with that of the loop, *dial*
    does all of it. Raises OSError, which an ssl.SSLError is, too.
    """
    loop = asyncio.get_running_loop()
    plain, tls = split_tls(where)
    if not isinstance(tls.get("ssl"), ssl.SSLContext) or not has_own_tls(loop):
        return await dial(factory, where)
    opened: asyncio.Future[None] = loop.create_future()
    _, made = await dial(lambda: _client(factory(), loop, tls, opened=opened), plain)
    return await _opened(made, opened)


async def upgrade(
    transport: asyncio.Transport, protocol: asyncio.BaseProtocol, tls: dict[str, Any]
) -> asyncio.Transport:
    """Return a client's transport of TLS over *transport*, which *protocol* has had until now.

    Raises OSError, which an ssl.SSLError is, too; *transport* is dropped then.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()
    made = _client(protocol, loop, tls, opened=opened, upgrading=True)
    transport.set_protocol(made)
    made.connection_made(transport)
    await _opened(made, opened)
    return made


def _client(
    protocol: asyncio.BaseProtocol,
    loop: asyncio.AbstractEventLoop,
    tls: dict[str, Any],
    **options: Any,
) -> TLSTransport:
    name = tls.get("server_hostname")
    if name is None:  # "" is to check none; asyncio says the same
        raise ValueError("You must set server_hostname when using ssl without a host")
    return TLSTransport(
        protocol,
        tls["ssl"],
        loop,
        loop_data(loop),
        server_side=False,
        server_hostname=name or None,
        handshake_timeout=tls.get("ssl_handshake_timeout", HANDSHAKE_TIMEOUT),
        shutdown_timeout=tls.get("ssl_shutdown_timeout", SHUTDOWN_TIMEOUT),
        **options,
    )


async def _opened(made: TLSTransport, opened: asyncio.Future[None]) -> tuple[Any, Any]:
    try:
        made.begin()
        await opened
    except BaseException:
        made.abort()
        raise
    return made, made.get_protocol()


def serve_tls(
    protocol: asyncio.BaseProtocol,
    loop: asyncio.AbstractEventLoop,
    tls: dict[str, Any],
    open_timeout: float | None,
    *,
    upgrading: bool = False,
) -> TLSTransport:
    """Return a server's transport of TLS for *protocol*.

    *protocol* bounds the handshake by *open_timeout* itself, in seconds; another bound in *tls*
    counts beside that. Without either, asyncio's applies.
    """
    bound = tls.get("ssl_handshake_timeout", open_timeout)
    if open_timeout is None:
        bound = HANDSHAKE_TIMEOUT if bound is None else bound
    elif bound == open_timeout:
        bound = None
    return TLSTransport(
        protocol,
        cast("ssl.SSLContext", tls["ssl"]),
        loop,
        loop_data(loop),
        server_side=True,
        handshake_timeout=bound,
        shutdown_timeout=tls.get("ssl_shutdown_timeout", SHUTDOWN_TIMEOUT),
        upgrading=upgrading,
    )
