"""``wscore serve``: its options, and what they mean for the demonstration and for applications."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arguments
from .logs import log_to_stderr
from .output import note, write

if TYPE_CHECKING:
    from ..workers.listening import Listening, Where
    from ..workers.serving import Settings

__all__ = ["CONNECTION_OPTIONS", "add_backlog", "add_connections", "add_log_level", "add_loop",
           "add_serve"]  # fmt: skip

_EPILOG = """\
SIGINT and SIGTERM close all connections with 1001; a second signal ends it at once. With
--workers, SIGHUP replaces all workers, one after the other: each imports APP anew, and closes its
connections with 1012 once its successor is ready. Exit status: 0 after a signal, 1 if it cannot
serve, 2 for wrong usage."""

_HOST, _PORT = "127.0.0.1", 8765
# Not among the options that were given: the application's own count.
_UNSAID = argparse.SUPPRESS
CONNECTION_OPTIONS = (
    "backlog", "origins", "max_connections", "max_connections_per_ip", "max_size", "open_timeout",
    "close_timeout", "ping_interval", "ping_timeout", "compression", "trusted_proxies",
    "proxy_protocol",
)  # fmt: skip
_FOR_APPS = {
    "workers": "--workers",
    "worker_port": "--worker-port",
    "stop_timeout": "--stop-timeout",
    "factory": "--factory",
    "unix": "--unix",
    "loop": "--loop",
    # Simulated members of the chat connect past all proxies.
    "proxy_protocol": "--proxy-protocol",
}  # fmt: skip


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    summary = "serve an application, in several processes if asked to; or a chat and an echo"
    parser = commands.add_parser(
        "serve",
        help=summary,
        description="Serve APP. Without APP, serve a chat to open in a browser, and an echo for "
        "every path but /chat.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "app", nargs="?", type=arguments.application, metavar="APP",
        help="MODULE:NAME of a coroutine function, a Listener, a mapping of paths to those, an App "
        "or a factory; the current directory is searched first",
    )  # fmt: skip
    _add_where(parser)
    _add_processes(parser)
    group = add_connections(parser, "connections, in each process")
    group.add_argument(
        "--no-compression", dest="compression", action="store_const", const=None,
        default=_UNSAID, help="do not negotiate permessage-deflate",
    )  # fmt: skip
    add_log_level(parser)
    parser.set_defaults(run=partial(_serve, parser))


def _add_where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where to listen")
    where.add_argument("--host", help=f"address to listen on ({_HOST})")
    where.add_argument("--port", type=arguments.port, help=f"port, 0 for any free port ({_PORT})")
    where.add_argument("--unix", metavar="PATH", help="unix socket, in place of host and port")
    where.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files, for wss://")
    add_backlog(where)


def add_backlog(where: argparse._ActionsContainer) -> None:
    """Add the option of listening sockets."""
    where.add_argument(
        "--backlog", type=arguments.number(int, 1), default=_UNSAID, metavar="N",
        help="connections that may wait to be accepted (100)",
    )  # fmt: skip


def _add_processes(parser: argparse.ArgumentParser) -> None:
    processes = parser.add_argument_group("processes, for APP")
    processes.add_argument(
        "--workers", type=arguments.number(int, 1), metavar="N",
        help="processes that serve APP, and a supervisor; without it, this process serves",
    )  # fmt: skip
    processes.add_argument(
        "--worker-port", type=arguments.port, metavar="PORT",
        help="worker 1 listens on this port, too, worker 2 on the next, and so on",
    )  # fmt: skip
    processes.add_argument(
        "--stop-timeout", type=arguments.number(float, 0), metavar="SECONDS",
        help="how long a worker may take to end before it is killed (30)",
    )  # fmt: skip
    processes.add_argument(
        "--factory", action="store_true", help="APP is to be called, for what to serve"
    )
    add_loop(processes)


def add_loop(parser: argparse._ActionsContainer) -> None:
    """Add the option of the event loop; None if it is not given."""
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], help="event loop (asyncio)")


def add_log_level(parser: argparse._ActionsContainer) -> None:
    """Add the option of logging to stderr."""
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="warning",
        help="minimum level of log records on stderr (%(default)s)",
    )  # fmt: skip


def add_connections(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Add the options of connections; those that are not given are not in the namespace."""
    from ..aio.options import ConnectionOptions

    defaults = ConnectionOptions(compression=None)
    group = parser.add_argument_group(title)
    group.add_argument(
        "--origin", action="append", type=arguments.origin, default=_UNSAID, dest="origins",
        metavar="ORIGIN", help="origin that may connect, of a page; may be repeated (any)",
    )  # fmt: skip
    for name, which in (("max-connections", ""), ("max-connections-per-ip", " from one address")):
        group.add_argument(
            f"--{name}", type=arguments.number(int, 1), default=_UNSAID, metavar="N",
            help=f"maximum connections{which} (no limit)",
        )  # fmt: skip
    group.add_argument(
        "--max-size", type=arguments.number(int, 0), default=_UNSAID, metavar="BYTES",
        help=f"maximum size of a message ({defaults.max_size})",
    )  # fmt: skip
    for name, what in (
        ("open_timeout", "time limit for the opening handshake"),
        ("close_timeout", "time limit for the closing handshake"),
        ("ping_interval", "time between two pings; 'inf' for no heartbeat"),
        ("ping_timeout", "how long a peer may be silent after a ping"),
    ):
        group.add_argument(
            f"--{name.replace('_', '-')}", type=arguments.time_limit, default=_UNSAID,
            metavar="SECONDS", help=f"{what} ({getattr(defaults, name)})",
        )  # fmt: skip
    group.add_argument(
        "--trusted-proxy", action="append", type=arguments.trusted_proxy, default=_UNSAID,
        dest="trusted_proxies", metavar="NETWORK",
        help="address or network of proxies, or unix:, whose X-Forwarded-For and Forwarded are "
        "believed; may be repeated (none)",
    )  # fmt: skip
    group.add_argument(
        "--proxy-protocol", action="store_const", const=True, default=_UNSAID,
        help="demand a header of the PROXY protocol, from trusted proxies if there are any",
    )  # fmt: skip
    return group


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    given = vars(options)
    if options.app is None:
        for name, option in _FOR_APPS.items():
            if given.get(name):
                parser.error(f"argument {option}: needs APP")
    if options.unix and (options.host is not None or options.port is not None):
        parser.error("argument --unix: not with --host or --port")
    if options.worker_port is not None and options.workers is None:
        parser.error("argument --worker-port: needs --workers")
    if options.worker_port is not None:
        _check_worker_ports(parser, options)
    if given.get("ping_interval") == 0:
        parser.error("argument --ping-interval: must be more than 0")
    keywords = {name: given[name] for name in CONNECTION_OPTIONS if name in given}
    return _serve_app(options, keywords) if options.app else _serve_demo(options, keywords)


def _check_worker_ports(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    first, last = options.worker_port, options.worker_port + options.workers - 1
    if first == 0 or last > 65535:
        parser.error(f"argument --worker-port: there are no ports {first} to {last}")
    if options.unix is None and first <= _where(options).port <= last:
        parser.error(f"argument --worker-port: {first} to {last} has the common port in it")


def _serve_demo(options: argparse.Namespace, keywords: dict[str, Any]) -> int:
    import asyncio

    from ..demo import run
    from ..workers.app import AppError
    from ..workers.serving import tls_context

    log_to_stderr(options.log_level)
    where = _where(options)
    try:
        if options.tls:
            keywords["ssl"] = tls_context(*options.tls)
        asyncio.run(run(where.host, where.port, **keywords))
    except (AppError, OSError, UnicodeError) as error:  # the last for what cannot be a host name
        note(f"wscore: cannot serve on {where}: {error}")
        return 1
    return 0


def _serve_app(options: argparse.Namespace, keywords: dict[str, Any]) -> int:
    from ..workers.listening import Listening
    from ..workers.serving import Settings

    where, count = _where(options), options.workers
    settings = Settings(
        app=options.app,
        factory=options.factory,
        options=keywords,
        tls=tuple(options.tls) if options.tls else None,
        loop=options.loop or "asyncio",
        log_level=options.log_level,
    )
    log_to_stderr(options.log_level, "supervisor" if count else "", connections=not count)
    try:
        listening = Listening(where, count or 1)
    except (OSError, UnicodeError) as error:
        note(f"wscore: cannot serve on {where}: {error}")
        return 1
    if not count:
        return _serve_here(settings, listening)
    return _supervise(settings, listening, options)


def _serve_here(settings: Settings, listening: Listening) -> int:
    from ..workers.alone import run

    return run(settings, listening, lambda: _tell(settings, listening.names))


def _supervise(settings: Settings, listening: Listening, options: argparse.Namespace) -> int:
    import logging

    from ..workers.supervisor import Supervisor

    # Few lines, and each is about what somebody has asked for.
    if options.log_level == "warning":
        logging.getLogger("wscore.workers").setLevel(logging.INFO)
    names = listening.names
    patience = 30.0 if options.stop_timeout is None else options.stop_timeout
    return Supervisor(
        settings, listening, options.workers, patience, lambda: _tell(settings, names)
    ).run()


def _where(options: argparse.Namespace) -> Where:
    from ..workers.listening import Where

    return Where(
        host=_HOST if options.host is None else options.host,
        port=_PORT if options.port is None else options.port,
        path=options.unix,
        worker_port=options.worker_port,
    )


def _tell(settings: Settings, names: list[str]) -> None:
    """Say on stdout where clients connect. Raises OutputError."""
    scheme = "wss" if settings.tls else "ws"
    if sys.stdout is not None:  # who closes it does not want to know
        for name in names:
            write(f"listening on {name if '/' in name else f'{scheme}://{name}/'}\n")
