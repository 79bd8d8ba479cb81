"""ASGI applications under uvicorn, with one of its WebSocket classes, and under other servers.

The mode names the server and the application: ``wsproto-fastapi``. Everything else is as the
server has it by default; uvicorn takes httptools. Only its log is silent, because the time of a
line is the same for all classes, and pings come so seldom that none disturbs a measurement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import wscore

from . import ASGI_MODES, Options, entry
from .uvicorn import app as raw

if TYPE_CHECKING:
    from .asgi_apps import App

SELDOM = 3600  # seconds between pings


def application(name: str) -> App:
    """The application called *name*."""
    if name == "raw":
        return raw
    from . import asgi_apps

    make: Callable[[], App] = getattr(asgi_apps, name)
    return make()


async def uvicorn(ws: str, app: App, options: Options) -> None:
    """Serve with uvicorn's class *ws*, or with ours."""
    from uvicorn import Config

    from .announcing import Announcing

    def announce() -> None:
        library = ws.partition("-")[0]
        told = {"ws": config.ws_protocol_class.__module__.rpartition(".")[2]}
        if library == "wscore":
            told = {"ws": "wscore", "wscore": wscore.__version__, "backend": wscore.BACKEND}
        entry.announce("uvicorn", *([] if library == "wscore" else [library]), **told)

    config = Config(
        app,
        entry.HOST,
        options.port,
        ws="wscore.asgi:WebSocketProtocol" if ws == "wscore" else ws,
        lifespan="off",
        log_level="error",
        access_log=False,
        ws_max_size=options.max_size,
        ws_ping_interval=SELDOM,
    )
    await Announcing(config, announce).serve()


async def granian(app: App, options: Options) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(
        app, entry.HOST, options.port, interface=Interfaces.ASGINL, log_enabled=False, backlog=2048
    )
    await _once_reachable(server.serve(), options, "granian")


async def hypercorn(app: App, options: Options) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{entry.HOST}:{options.port}"]
    config.loglevel = "ERROR"
    config.websocket_max_message_size = options.max_size
    await _once_reachable(serve(app, config), options, "hypercorn")  # type: ignore[arg-type]


async def _once_reachable(
    serving: Coroutine[Any, Any, None], options: Options, distribution: str
) -> None:
    """Announce a server that does not tell when it listens."""
    task = asyncio.ensure_future(serving)
    while not task.done():
        try:
            _, writer = await asyncio.open_connection(entry.HOST, options.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            entry.announce(distribution)
            break
    await task


def daphne(app: App, options: Options) -> None:
    """Twisted runs its event loop itself, one of asyncio's."""
    from daphne.server import Server

    endpoint = f"tcp:port={options.port}:interface={entry.HOST}"
    announce = partial(entry.announce, "daphne")
    Server(app, [endpoint], ready_callable=announce, verbosity=0, ping_interval=SELDOM).run()


def main() -> None:
    options = entry.arguments(ASGI_MODES)
    entry.raise_descriptor_limit()
    server, _, name = options.mode.rpartition("-")
    app = application(name)
    if server == "daphne":
        daphne(app, options)
    elif server in OTHERS:
        entry.run(OTHERS[server](app, options), options.loop)
    else:
        entry.run(uvicorn(server, app, options), options.loop)


OTHERS = {"granian": granian, "hypercorn": hypercorn}

if __name__ == "__main__":
    main()
