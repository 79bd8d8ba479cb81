"""The feed of `bench.compare` under uvicorn, as by ``--ws wscore.asgi:WebSocketProtocol``."""

from __future__ import annotations

import socket

import uvicorn

import wscore

from ..compare.app import make_app
from ..compare.wire import ETHERNET_MSS
from . import Options, entry
from .announcing import Announcing


def announce() -> None:
    """Tell that the server listens, and what it is made of."""
    told = {"wscore": wscore.__version__, "backend": wscore.BACKEND}
    entry.announce("uvicorn", "starlette", "sse-starlette", "httptools", **told)


async def feed(options: Options) -> None:
    config = uvicorn.Config(
        make_app(options.port),
        ws="wscore.asgi:WebSocketProtocol",
        http="httptools",
        lifespan="on",
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
    )
    with socket.create_server((entry.HOST, options.port), backlog=config.backlog) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, ETHERNET_MSS)
        await Announcing(config, announce).serve(sockets=[listening])


if __name__ == "__main__":
    entry.main({"feed": feed})
