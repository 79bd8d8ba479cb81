"""TCP connections to hosts with several addresses: happy eyeballs (RFC 8305) on every event loop.

asyncio knows them if it is asked, uvloop does not. Both try one address after another otherwise,
so that a first one that does not answer takes all the time there is.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._backend import SocketTransport
from ..connection.tls_setup import over_tls
from ..loop import loop_data
from ..reactor import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DELAY", "connect_socket", "create_connection", "create_unix_connection", "on_socket"]

DELAY = 0.25  # seconds, RFC 8305 section 5

# Options for those who have a choice.
_CHOOSING = frozenset({"happy_eyeballs_delay", "interleave"})
# Keywords of connections without TLS, beside those of `_How`.
_PLAIN = frozenset({"host", "port", "sock"})
# What `getaddrinfo` returns for an address.
_Info = tuple[Any, Any, int, str, Any]


class _How(NamedTuple):
    """How to connect, by the names that `loop.create_connection` has for it."""

    family: int = 0
    proto: int = 0
    flags: int = 0
    local_addr: tuple[str, int] | None = None
    happy_eyeballs_delay: float | None = DELAY
    interleave: int | None = None
    all_errors: bool = False

    async def resolve(self, address: tuple[str, int]) -> list[_Info]:
        """Return the addresses of a host, at least one. Raises OSError."""
        if _looks_like_address(address[0]):
            with suppress(OSError):  # no address after all: a name like any other
                return socket.getaddrinfo(
                    *address,
                    family=self.family,
                    type=socket.SOCK_STREAM,
                    proto=self.proto,
                    flags=self.flags | socket.AI_NUMERICHOST,
                )
        found: list[_Info] = await asyncio.get_running_loop().getaddrinfo(
            *address,
            family=self.family,
            type=socket.SOCK_STREAM,
            proto=self.proto,
            flags=self.flags,
        )
        if not found:
            raise OSError(f"{address[0]} has no address")
        return found


async def create_connection(
    factory: Callable[[], asyncio.BaseProtocol],
    where: dict[str, Any],
    *,
    starts_tls: bool = False,
) -> tuple[Any, Any]:
    """`loop.create_connection` with the keywords *where*, and happy eyeballs by default.

    With *starts_tls*, the transport has to be one that the loop can begin TLS on.
    """
    return await over_tls(partial(_create_connection, starts_tls=starts_tls), factory, where)


async def _create_connection(
    factory: Callable[[], asyncio.BaseProtocol], where: dict[str, Any], *, starts_tls: bool
) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    host: str | None = where.get("host")
    sock: Any = where.get("sock")
    others = {name: where[name] for name in where if name not in _How._fields}
    reactor = None if starts_tls or not _PLAIN.issuperset(others) else _reactor(loop)
    if reactor is not None and host is not None and sock is None:
        made = await connect_socket(host, where.get("port"), where)
        return on_own_transport(made, factory, reactor)
    if reactor is not None and host is None and _may_be_ours(sock):
        return on_own_transport(sock, factory, reactor)
    is_address = host is None or _looks_like_address(host)
    if is_address and "all_errors" not in where:
        # There is nothing to choose from, and it may be a socket of the caller's.
        if not _CHOOSING.isdisjoint(where):
            where = {name: where[name] for name in where if name not in _CHOOSING}
        return await loop.create_connection(factory, **where)
    tls = dict(others)
    sock = await connect_socket(tls.pop("host"), tls.pop("port"), where)
    return await _on_socket(sock, factory, tls, starts_tls=True)


async def create_unix_connection(
    factory: Callable[[], asyncio.BaseProtocol], path: str, where: dict[str, Any]
) -> tuple[Any, Any]:
    """`loop.create_unix_connection` with the keywords *where*."""
    return await over_tls(partial(_create_unix_connection, path), factory, where)


async def _create_unix_connection(
    path: str, factory: Callable[[], asyncio.BaseProtocol], where: dict[str, Any]
) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    reactor = None if where else _reactor(loop)
    if reactor is None:
        return await loop.create_unix_connection(factory, path, **where)
    sock = await _attempt((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path), [])
    return on_own_transport(sock, factory, reactor)


def _reactor(loop: asyncio.AbstractEventLoop) -> Any:
    return loop_data(loop).reactor(loop)


def _may_be_ours(sock: Any) -> bool:
    """Whether our own transport can be made of a socket that the caller has connected."""
    # Not of a derived class, which may be TLS.
    return (
        type(sock) is socket.socket and sock.type == socket.SOCK_STREAM and sock.family in FAMILIES
    )


def on_own_transport(
    sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol], reactor: Any
) -> tuple[Any, Any]:
    """Our own transport over *sock*, which belongs to it from here on."""
    try:
        protocol = factory()
        sock.setblocking(False)
        transport = SocketTransport(reactor, asyncio.get_running_loop(), sock.fileno())
    except BaseException:
        sock.close()
        raise
    sock.detach()
    transport.start(protocol)
    return transport, protocol


async def on_socket(
    sock: socket.socket,
    factory: Callable[[], asyncio.BaseProtocol],
    tls: dict[str, Any],
    *,
    starts_tls: bool = False,
) -> tuple[Any, Any]:
    """`loop.create_connection` over *sock*, which belongs to the loop from here on."""
    return await over_tls(partial(_on_socket, sock, starts_tls=starts_tls), factory, tls)


async def _on_socket(
    sock: socket.socket,
    factory: Callable[[], asyncio.BaseProtocol],
    tls: dict[str, Any],
    *,
    starts_tls: bool,
) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    reactor = None if tls or starts_tls else _reactor(loop)
    if reactor is not None and _may_be_ours(sock):
        return on_own_transport(sock, factory, reactor)
    made: list[Any] = []

    def make() -> asyncio.BaseProtocol:
        made.append(factory())
        return made[0]  # type: ignore[no-any-return]

    try:
        return await loop.create_connection(make, sock=sock, **tls)
    except BaseException:
        if made and type(loop).__module__.startswith("uvloop"):
            # The descriptor is closed with uvloop's transport. Sometimes the socket is not told,
            # and would close it once more: by then it may be somebody else's.
            sock.detach()
        else:
            for protocol in made:
                if (transport := getattr(protocol, "transport", None)) is not None:
                    # With TLS, asyncio may still wait for the peer to say goodbye.
                    transport.abort()
            sock.close()
        raise


def _looks_like_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


async def connect_socket(host: str, port: Any, where: dict[str, Any]) -> socket.socket:
    """Return a socket that is connected to *host* by the keywords *where*. Raises OSError."""
    how = _How(**{name: where[name] for name in _How._fields if name in where})
    found = await how.resolve((host, port))
    own = [] if how.local_addr is None else await how.resolve(how.local_addr)
    if len(found) == 1 and not how.all_errors:
        return await _attempt(found[0], own)
    interleave = how.interleave
    if interleave is None and how.happy_eyeballs_delay is not None:
        interleave = 1
    made, errors = await _race(_interleaved(found, interleave), own, how.happy_eyeballs_delay)
    if made is None:
        raise _all_failed(errors, how.all_errors)
    return made


def _interleaved(found: list[_Info], first: int | None) -> list[_Info]:
    """Let families take turns, after *first* addresses of the preferred one (RFC 8305 4)."""
    if not first:
        return found
    families: dict[Any, list[_Info]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    preferred, *others = families.values()
    head, tail = preferred[: first - 1], preferred[first - 1 :]
    turns = chain.from_iterable(zip_longest(tail, *others))
    return [*head, *(info for info in turns if info is not None)]


async def _race(
    found: list[_Info], own: list[_Info], delay: float | None
) -> tuple[socket.socket | None, list[BaseException]]:
    """Connect to the first address that answers.

    The next one is tried when the last has failed, or has not answered for *delay* seconds.
    """
    waiting, errors = deque(found), list[BaseException]()
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(_attempt(waiting.popleft(), own)))
            done, _ = await asyncio.wait(
                running,
                timeout=delay if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                running.discard(task)
                error = task.exception()
                if error is None:
                    return task.result(), errors
                errors.append(error)
        return None, errors
    finally:
        for task in running:
            task.add_done_callback(_drop)
            task.cancel()


def _drop(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _attempt(info: _Info, own: list[_Info]) -> socket.socket:
    family, kind, proto, _, address = info
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        if own:
            _bind(sock, own)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, own: list[_Info]) -> None:
    """Bind *sock* to the first of our *own* addresses that it can have. Raises OSError."""
    error = OSError("the local address is of another family")
    for family, _, _, _, address in own:
        if family == sock.family:
            try:
                sock.bind(address)
            except OSError as failed:
                error = failed
            else:
                return
    raise error


def _all_failed(errors: list[BaseException], show_all: bool) -> BaseException:
    if show_all and sys.version_info >= (3, 12):
        return BaseExceptionGroup("no address could be connected to", errors)  # noqa: F821
    texts = list(dict.fromkeys(map(str, errors)))
    if len(texts) == 1:
        return errors[0]
    text = f"no address could be connected to: {'; '.join(texts)}"
    # A number that all share makes the class: ConnectionRefusedError, for example.
    numbers = {getattr(error, "errno", None) for error in errors}
    number = numbers.pop() if len(numbers) == 1 else None
    return OSError(text) if number is None else OSError(number, text)
