"""Serving an application in this process, on sockets that are there already, until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aio.server.serve import serve
from ..aio.server.sockets import ServerSockets, listen
from ..codes import CloseCode
from .app import AppError, load, opened
from .inheritance import KeptBack

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence
    from socket import socket as Socket

    from ..aio.server.server import Server

__all__ = ["Settings", "Stop", "run", "run_loop", "tls_context"]

# How long handshakes under way may take before the connections are closed that are open.
_LETTING_IN = 1.0  # seconds
_LOOK_AGAIN = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says of serving an application; workers get it by pickle."""

    app: str
    """``module:name``."""
    factory: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    """Keywords of `serve` that overrule those of the application."""
    tls: tuple[str, str] | None = None
    """Files with the certificate and its key."""
    loop: str = "asyncio"
    """Or ``uvloop``."""
    log_level: str = "warning"


class Stop:
    """The order to stop serving, with the code that connections are closed with.

    `order` may come from any thread, before there is a loop, too; the first counts.
    """

    def __init__(self) -> None:
        self._code: int | None = None
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def order(self, code: int) -> None:
        """Stop now, or as soon as serving begins."""
        if self._code is None:
            self._code = code
        if self._waiting is not None:
            loop, event = self._waiting
            with suppress(RuntimeError):  # the loop is closed: it has stopped already
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> int:
        """Wait for the order; return its code."""
        event = asyncio.Event()
        self._waiting = asyncio.get_running_loop(), event
        if self._code is None:
            await event.wait()
        assert self._code is not None
        return self._code


def run(
    settings: Settings, sockets: Sequence[Socket], stop: Stop, ready: Callable[[Server], object]
) -> None:
    """Serve on *sockets*; call *ready* when that has begun. Return when *stop* has been obeyed.

    Raises AppError, also if it cannot listen; what the end of the application raises.
    """
    kept_back = KeptBack(sockets)
    # Before there is a loop, which would keep Control-C from ending an import that takes long.
    found = load(settings.app)
    run_loop(settings.loop, _serve(settings, found, sockets, kept_back, stop, ready))


async def _serve(
    settings: Settings,
    found: Any,
    sockets: Sequence[Socket],
    kept_back: KeptBack,
    stop: Stop,
    ready: Callable[[Server], object],
) -> None:
    async with opened(settings.app, found, settings.factory) as app:
        options = {**app.options, **settings.options}
        if settings.tls is not None:
            options["ssl"] = tls_context(*settings.tls)
        try:
            starting: Any = serve(app.handler, sock=sockets[0], **options)
        except (TypeError, ValueError) as error:
            raise AppError(f"{settings.app}: {error}") from error
        starting._listen = partial(_listen_on, sockets)
        try:
            starting = await starting
        except OSError as error:
            raise AppError(str(error)) from error
        async with starting as server:
            kept_back.server = server
            ready(server)
            code = await stop.wait()
            if code == CloseCode.SERVICE_RESTART:
                await _let_in_who_is_there(server)
            server.close(code)
            await server.wait_closed()


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """A server's context. Raises AppError."""
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        message = f"cannot load certificate and key {certificate} and {key}: {error}"
        raise AppError(message) from error
    return context


def run_loop(kind: str, work: Coroutine[Any, Any, None]) -> None:
    """Run *work* on asyncio's loop or on ``"uvloop"``. Raises AppError without that."""
    if kind == "uvloop":
        try:
            import uvloop
        except ImportError:
            work.close()
            raise AppError("--loop uvloop needs uvloop: pip install uvloop") from None
        uvloop.run(work)
    else:
        asyncio.run(work)


# Several sockets -------------------------------------------------------------------------------


class _All:
    """What binds the sockets of several servers."""

    def __init__(self, parts: Sequence[ServerSockets]) -> None:
        self._parts = parts

    def close(self) -> None:
        for part in self._parts:
            part.close()


async def _listen_on(
    sockets: Sequence[Socket], factory: Any, path: str | None, options: dict[str, Any], **kind: bool
) -> ServerSockets:
    """`listen` on all *sockets*; in place of the one of *options*."""
    parts: list[ServerSockets] = []
    try:
        for sock in sockets:
            parts.append(await listen(factory, path, {**options, "sock": sock}, **kind))
    except BaseException:
        _All(parts).close()
        raise
    bound: Any = _All(parts)
    return ServerSockets(bound, [server for part in parts for server in part.accepting])


async def _let_in_who_is_there(server: Server) -> None:
    """Stop accepting, and let opening handshakes come to their end: another process goes on.

    `Server.close` would refuse them. Not before what was accepted has become a connection are the
    sockets closed, or asyncio would drop it.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop):
        for sock in server.sockets:
            loop.remove_reader(sock.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
    server._sockets.close()
    host, end = server._host, loop.time() + _LETTING_IN
    while loop.time() < end:
        if not host.pending and all(wire.opening is None for wire in host.wires):
            return
        await asyncio.sleep(_LOOK_AGAIN)
