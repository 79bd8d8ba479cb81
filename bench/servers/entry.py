"""What every server process does: read its options, run on the right loop, tell when it is ready.

``python -m bench.servers.<peer> PORT --mode listener|coroutine --loop uvloop|asyncio``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any

__all__ = ["HOST", "Serve", "announce", "arguments", "main", "run"]

HOST = "127.0.0.1"

# Listens on a port, announces that it does, and goes on until it is cancelled.
Serve = Callable[[int], Coroutine[Any, Any, None]]


def main(modes: Mapping[str, Serve]) -> None:
    """Run the server that the command line asks for; *modes* are those that the peer has."""
    options = arguments(tuple(modes))
    # Thousands of connections are opened where memory is measured.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    run(modes[options.mode](options.port), options.loop)


def arguments(modes: tuple[str, ...]) -> argparse.Namespace:
    """Return port, mode and loop; ends the process when they make no sense."""
    parser = argparse.ArgumentParser(description="An echo server for the end-to-end benchmarks.")
    parser.add_argument("port", type=int)
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    return parser.parse_args()


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
