"""The subcommands: for each, one function adds its options and one runs it."""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import _backend
from .._version import __version__

if TYPE_CHECKING:
    import ssl

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, by default that of the process. Return the exit status.

    Raises SystemExit for ``--help``, ``--version`` and invalid arguments.
    """
    options = _parser().parse_args(argv)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wscore", description="The WebSocket engine for Python.")
    parser.add_argument("--version", action="version", version=f"wscore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    _add_serve(commands)
    _add_connect(commands)
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
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:{width}}  {fact}")
    print(f"\nLibraries that wscore.accelerate() supports:\n\n{survey()}")
    return 0


# serve ----------------------------------------------------------------------------------------


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from ..aio.options import ConnectionOptions

    defaults = ConnectionOptions(compression=None)
    summary = "run an echo server, with a page at / to try it in a browser"
    serve = commands.add_parser(
        "serve",
        help=summary,
        description=f"{summary.capitalize()}. SIGINT and SIGTERM close all connections with 1001; "
        "a second signal ends it at once. Exit status: 0 after a signal, 1 if it cannot serve.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8765, help="port, 0 for any free port (%(default)s)"
    )
    serve.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files, for wss://")
    serve.add_argument(
        "--max-connections", type=_from(1, int), metavar="N", help="maximum connections (no limit)"
    )
    serve.add_argument(
        "--max-connections-per-ip",
        type=_from(1, int),
        metavar="N",
        help="maximum connections from one address (no limit)",
    )
    serve.add_argument(
        "--max-size", type=_from(0, int), default=defaults.max_size, metavar="BYTES",
        help="maximum size of a message (%(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--close-timeout", type=_from(0, float), default=defaults.close_timeout,
        metavar="SECONDS",
        help="time limit for the closing handshake (%(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="warning",
        help="minimum level of log records on stderr (%(default)s)",
    )  # fmt: skip
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return port


def _from(least: int, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that parses a number of at least *least*."""

    def number(text: str) -> Any:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return value

    number.__name__ = kind.__name__  # argparse shows this name if *kind* cannot parse the text
    return number


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
    except OSError as error:
        print(f"wscore: cannot serve on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before signal handlers are installed, or on Windows
        return 130
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


# connect --------------------------------------------------------------------------------------


def _add_connect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "send lines of stdin as messages and print received messages"
    connect = commands.add_parser(
        "connect",
        help=summary,
        description=f"{summary.capitalize()}. Exit status: 0 after a normal closure, 1 if the "
        "connection broke or was closed with an error, 3 if it could not be opened.",
    )
    connect.add_argument("uri", metavar="URI", help="ws:// or wss://")
    connect.add_argument(
        "--subprotocol", action="append", default=[], help="subprotocol to offer; may be repeated"
    )
    connect.add_argument(
        "--timeout",
        type=float,
        default=10,
        help="time limit for connecting, in seconds (%(default)s)",
    )
    connect.add_argument(
        "--linger",
        type=float,
        default=0.5,
        help="seconds without a message, after the end of stdin, before closing (%(default)s)",
    )
    connect.set_defaults(run=_connect)


def _connect(options: argparse.Namespace) -> int:
    import asyncio

    from .terminal import talk

    try:
        return asyncio.run(
            talk(
                options.uri,
                subprotocols=tuple(options.subprotocol),
                timeout=options.timeout,
                linger=options.linger,
            )
        )
    except KeyboardInterrupt:
        return 130
