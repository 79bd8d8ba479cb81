"""What every server process does: read its options, run on the right loop, tell when it is ready.

``python -m bench.servers.<peer> PORT --mode listener|coroutine --loop uvloop|asyncio
[--deflate LEVEL,MEM_LEVEL,WINDOW | --deflate default] [--max-size BYTES] [--heartbeat]``

Without ``--deflate`` compression is off, without ``--heartbeat`` so are the server's pings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any

from . import MIB, Deflate, Options

__all__ = ["HOST", "Serve", "announce", "arguments", "main", "raise_descriptor_limit", "run"]

HOST = "127.0.0.1"

# Listens on a port, announces that it does, and goes on until it is cancelled.
Serve = Callable[[Options], Coroutine[Any, Any, None]]


def main(modes: Mapping[str, Serve]) -> None:
    """Run the server that the command line asks for; *modes* are those that the peer has."""
    options = arguments(tuple(modes))
    raise_descriptor_limit()
    run(modes[options.mode](options), options.loop)


def raise_descriptor_limit() -> None:
    """Allow for thousands of connections, which are opened where memory is measured."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def arguments(modes: tuple[str, ...]) -> Options:
    """Return what the command line says; ends the process when it makes no sense."""
    parser = argparse.ArgumentParser(description="An echo server for the end-to-end benchmarks.")
    parser.add_argument("port", type=int)
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--deflate", type=Deflate.parse)
    parser.add_argument("--max-size", type=int, default=MIB)
    parser.add_argument("--heartbeat", action="store_true")
    return Options(**vars(parser.parse_args()))


def run(work: Coroutine[Any, Any, None], loop: str) -> None:
    """Run *work* on the event loop called *loop*."""
    if loop == "uvloop":
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


def announce(*distributions: str, **facts: str) -> None:
    """Tell the parent that connections are accepted, what is serving, and on which loop."""
    try:
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    except RuntimeError:
        loop = "its own"
    versions = {name: version(name) for name in distributions}
    print(json.dumps({**versions, **facts, "loop": loop}), flush=True)
