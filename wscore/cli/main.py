"""The subcommands: for each, one function adds its options and one runs it."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Sequence

from .. import _backend
from .._version import __version__
from .bridge import add_bridge
from .connect import add_connect
from .nginx import add_nginx
from .output import OutputError, flush, note, prepare, write
from .serve import add_serve

__all__ = ["main"]

_COMMANDS = ("info", "serve", "connect", "bridge", "nginx")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, by default that of the process. Return the exit status.

    ``wscore URI`` stands for ``wscore connect URI``. Raises SystemExit for ``--help``,
    ``--version`` and invalid arguments.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    prepare()
    try:
        try:
            return _run(words)
        finally:
            flush()  # what --help printed, too
    except OutputError as error:
        note(f"wscore: cannot write to stdout: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    if words and words[0] not in _COMMANDS and any(map(_is_uri, words)):
        words = ["connect", *words]
    try:
        options = _parser().parse_args(words)
    except OSError as error:
        raise OutputError(error.strerror) from None
    status: int = options.run(options)
    return status


def _is_uri(word: str) -> bool:
    return word.lower().startswith(("ws://", "wss://"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wscore",
        description="The WebSocket engine for Python.",
        epilog="'wscore URI' is short for 'wscore connect URI'.",
    )
    parser.add_argument("--version", action="version", version=f"wscore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    add_serve(commands)
    add_connect(commands)
    add_bridge(commands)
    add_nginx(commands)
    return parser


# info -----------------------------------------------------------------------------------------


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "show backend, kernel and transport in use, and which libraries can be accelerated"
    info = commands.add_parser("info", help=summary, description=f"{summary.capitalize()}.")
    info.set_defaults(run=_info)


def _info(_: argparse.Namespace) -> int:
    from ..acceleration import survey

    facts = {
        "wscore": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "backend": _backend.BACKEND,
        "kernel": _backend.KERNEL,
        "transport": _transport(),
        "CPU features": ", ".join(_backend.CPU_FEATURES) or "none used by kernels",
        **note_on_backend(),
    }
    width = max(map(len, facts))
    told = "".join(f"{name:{width}}  {fact}\n" for name, fact in facts.items())
    write(f"{told}\nLibraries that wscore.accelerate() supports:\n\n{survey()}\n")
    return 0


def _transport() -> str:
    """Which transports plain connections have, on the event loops that are known."""
    from ..aio.reactor import wanted_transport, why_not_own

    try:
        wanted = wanted_transport()
    except ValueError as error:
        return f"none: {error}"
    reason = why_not_own(asyncio.SelectorEventLoop, wanted)
    if reason is None:
        return "wscore's own, on asyncio and uvloop"
    if wanted == "own":
        return f"none: WSCORE_TRANSPORT=own, but {reason}"
    return f"that of the event loop: {reason}"


def note_on_backend() -> dict[str, str]:
    """What to say where the pure backend runs without having been asked for: pip does not tell."""
    if _backend.BACKEND == "compiled" or os.environ.get("WSCORE_BACKEND") == "python":
        return {}
    missing = "not compiled when it was installed; WSCORE_BUILD=require makes pip say why"
    return {"note": _backend.UNUSABLE or missing}
