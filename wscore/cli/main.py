"""The subcommands: for each, one function adds its options and one runs it."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _backend
from .._version import __version__
from . import arguments
from .connect import add_connect
from .output import OutputError, flush, note, prepare, write

if TYPE_CHECKING:
    import ssl

__all__ = ["main"]

_COMMANDS = ("info", "serve", "connect")


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
    _add_serve(commands)
    add_connect(commands)
    return parser


# info -----------------------------------------------------------------------------------------


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "show the backend and kernel in use, and which libraries can be accelerated"
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
        "CPU features": ", ".join(_backend.CPU_FEATURES) or "none used by kernels",
        **note_on_backend(),
    }
    width = max(map(len, facts))
    told = "".join(f"{name:{width}}  {fact}\n" for name, fact in facts.items())
    write(f"{told}\nLibraries that wscore.accelerate() supports:\n\n{survey()}\n")
    return 0


def note_on_backend() -> dict[str, str]:
    """What to say where the pure backend runs without having been asked for: pip does not tell."""
    if _backend.BACKEND == "compiled" or os.environ.get("WSCORE_BACKEND") == "python":
        return {}
    return {"note": "not compiled when it was installed; WSCORE_BUILD=require makes pip say why"}


# serve ----------------------------------------------------------------------------------------


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..aio.options import ConnectionOptions

    defaults = ConnectionOptions(compression=None)
    summary = "serve a chat to open in a browser, and an echo for every path but /chat"
    serve = commands.add_parser(
        "serve",
        help=summary,
        description=f"{summary.capitalize()}. SIGINT and SIGTERM close all connections with 1001; "
        "a second signal ends it at once. Exit status: 0 after a signal, 1 if it cannot serve.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=arguments.port, default=8765, help="port, 0 for any free port (%(default)s)"
    )
    serve.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files, for wss://")
    serve.add_argument(
        "--max-connections",
        type=arguments.number(int, 1),
        metavar="N",
        help="maximum connections (no limit)",
    )
    serve.add_argument(
        "--max-connections-per-ip",
        type=arguments.number(int, 1),
        metavar="N",
        help="maximum connections from one address (no limit)",
    )
    serve.add_argument(
        "--max-size", type=arguments.number(int, 0), default=defaults.max_size, metavar="BYTES",
        help="maximum size of a message (%(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--close-timeout", type=arguments.time_limit, default=defaults.close_timeout,
        metavar="SECONDS",
        help="time limit for the closing handshake (%(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="warning",
        help="minimum level of log records on stderr (%(default)s)",
    )  # fmt: skip
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    import asyncio

    from ..demo import run

    _log_to_stderr(options.log_level)
    try:
        asyncio.run(
            run(
                options.host,
                options.port,
                ssl=_tls(options.tls),
                max_connections=options.max_connections,
                max_connections_per_ip=options.max_connections_per_ip,
                max_size=options.max_size,
                close_timeout=options.close_timeout,
            )
        )
    except (OSError, UnicodeError) as error:  # the latter for what cannot be a host name
        note(f"wscore: cannot serve on {options.host}:{options.port}: {error}")
        return 1
    return 0


def _tls(files: Sequence[str] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(*files)
    except OSError as error:
        raise OSError(f"cannot load certificate and key {' and '.join(files)}: {error}") from error
    return context


def _log_to_stderr(level: str) -> None:
    about = {"websocket": "-", "remote_address": "-"}
    layout = "%(asctime)s %(levelname)s %(remote_address)s %(websocket)s %(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(layout, defaults=about))
    logging.basicConfig(level=level.upper(), handlers=[handler])
