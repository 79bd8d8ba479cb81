"""From WebSocket to TCP: `serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..aio import serve as aio_serve
from ..aio.loop import in_time
from ..aio.options import check_keywords, with_keywords
from ..aio.server.options import UnixServeKeywords
from ..protocol.checks import check_kind, check_seconds, mismatch
from .bridge import Bridge, Starting
from .options import NOT_FOR_BRIDGES, READ_SIZE, BridgeOptions
from .pipe import Pipe
from .target import Target, failure_of, is_name

if TYPE_CHECKING:
    from os import PathLike
    from socket import socket as Socket

    from typing_extensions import Unpack

    from ..aio import ServerConnection

__all__ = ["serve"]


class BridgeKeywords(UnixServeKeywords, total=False):
    """What `serve` takes besides the parameters that it names itself."""

    path: str | PathLike[str] | None
    sock: Socket | None


class TargetPipe(Pipe):
    """From a WebSocket that is there to a target that is to be connected to."""

    def __init__(
        self, bridge: Bridge, name: str, target: Target, connect_timeout: float | None
    ) -> None:
        super().__init__(bridge, name)
        self._target = target
        self._connect_timeout = connect_timeout

    def on_open(self, ws: ServerConnection) -> None:
        """Connect to the target; the WebSocket waits for that."""
        self.listen_to(ws)
        ws.pause_reading()
        self._bridge.add(self)
        if not self._bridge.is_closing:
            self._connecting = self._bridge.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            await in_time(self._target.connect(lambda: self), self._connect_timeout)
        except Exception as error:
            if self.ws_is_there:
                self.fail(failure_of(error), error)
            else:
                self.count(failure_of(error), error)
        finally:
            self._connecting = None
            self.look_for_the_end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the WebSocket has ended in the meantime."""
        super().connection_made(transport)
        if self._ended_well is None:
            self.begin()
        else:
            self.end_stream(self._ended_well)


@with_keywords(aio_serve, without=NOT_FOR_BRIDGES, compression=None)
class serve(Starting):
    """Bridge WebSockets to TCP servers or unix sockets.

    ``async with serve(...) as bridge``, or ``bridge = await serve(...)``; both give a `Bridge`.

    *to* is one target for all paths: a `Target`, or a str with ``HOST:PORT``, ``tls:HOST:PORT`` or
    ``unix:PATH``. Or it is a mapping of names to those: the path ``/name`` leads to a target,
    character for character, and all other paths are answered with 404. Nothing else that a client
    sends has a say in where it is connected to.

    With *subprotocols*, a sequence of str by preference, clients that offer none of them are
    refused with 400. *text* is for protocols of text: what targets send goes out as text,
    which has to be UTF-8, and clients may send both text and binary. *connect_timeout*
    bounds connecting to a target, and connections over which nothing has come for *idle_timeout*
    seconds, or up to a quarter more, are closed. *read_size* is the most bytes of a message to a
    client.

    All other keywords are those of `wscore.serve`; only *max_size* bounds what a message may hold,
    and *compression* is off unless it is asked for. Invalid options raise TypeError or ValueError
    here. Starting raises OSError, and RuntimeError for a bridge that was started already.
    """

    def __init__(
        self,
        to: Target | str | Mapping[str, Target | str],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        text: bool = False,
        connect_timeout: float | None = 10,
        idle_timeout: float | None = None,
        read_size: int = READ_SIZE,
        **options: Unpack[BridgeKeywords],
    ) -> None:
        check_keywords(serve, options)
        check_seconds("connect_timeout", connect_timeout, positive=True, optional=True)
        self._targets = _targets(to)
        self._connect_timeout = connect_timeout
        options.setdefault("compression", None)
        options["max_unsent"] = None
        options["require_subprotocol"] = bool(options.get("subprotocols"))
        self._serving = aio_serve(self._handler(to), host, port, **options)
        self._bridge = Bridge(
            BridgeOptions(
                connection=self._serving._host.options.connection,
                text=text,
                idle_timeout=idle_timeout,
                read_size=read_size,
            ),
            self._targets,
        )

    def _handler(self, to: object) -> Any:
        made = {name: self._listener(name, target) for name, target in self._targets.items()}
        if isinstance(to, Mapping):
            return {f"/{name}": listener for name, listener in made.items()}
        [only] = made.values()
        return only

    def _listener(self, name: str, target: Target) -> type[Pipe]:
        """The class that is instantiated for each connection to *target*."""
        starting = self

        class Bound(TargetPipe):
            def __init__(self) -> None:
                super().__init__(starting._bridge, name, target, starting._connect_timeout)

        return Bound

    async def _listen(self) -> None:
        self._bridge.server = await self._serving


def _targets(to: Any) -> dict[str, Target]:
    """The targets by name; one for all paths has its address for a name."""
    if not isinstance(to, Mapping):
        only = _target(to)
        return {str(only): only}
    if not to:
        raise ValueError("to: no targets")
    for name in to:
        check_kind("to", name, str, "a mapping of str")
        if not is_name(name):
            raise ValueError(
                f"the name of a target has letters, digits and -._~ only, and is neither . nor ..: "
                f"{name!r}"
            )
    return {name: _target(target) for name, target in to.items()}


def _target(given: Any) -> Target:
    if isinstance(given, Target):
        return given
    if not isinstance(given, str):
        raise TypeError(mismatch("to", "a Target, a str, or a mapping of names to those", given))
    return Target.parse(given)
