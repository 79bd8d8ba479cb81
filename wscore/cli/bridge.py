"""``wscore bridge``: between WebSocket and TCP, in either direction."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arguments
from .logs import log_to_stderr
from .output import note, write
from .serve import CONNECTION_OPTIONS, add_backlog, add_connections, add_log_level, add_loop
from .stopping import stop_on_signals

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from ..aio import ServerConnection
    from ..bridge import Bridge, Target, listen_tcp, serve
    from ..protocol.http11 import Request, Response

__all__ = ["add_bridge"]

_EPILOG = """\
A TARGET is HOST:PORT, tls:HOST:PORT or unix:PATH. SECRETS are file:PATH, with one in each line,
env:NAME, or pass:SECRET, which other users of the machine can see. With --listen-tcp,
--origin is the one to send. SIGINT and SIGTERM close all connections with 1001; a second signal
ends it at once. Exit status: 0 after a signal, 1 if it cannot listen, 2 for wrong usage."""

_ONLY_LISTEN = {
    "targets": "--target",
    "max_connections_per_ip": "--max-connections-per-ip",
    "trusted_proxies": "--trusted-proxy",
    "proxy_protocol": "--proxy-protocol",
    "backlog": "--backlog",
    "connect_timeout": "--connect-timeout",
}
_OF_BRIDGES = ("connect_timeout", "idle_timeout", "compression", "text")
_UNSAID = argparse.SUPPRESS


def add_bridge(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    summary = "let WebSocket clients use a TCP server, or TCP clients a WebSocket server"
    description = f"{summary[0].upper()}{summary[1:]}."  # `capitalize` makes "tcp" of TCP
    parser = commands.add_parser("bridge", help=summary, description=description, epilog=_EPILOG)
    _add_ends(parser)
    _add_admission(parser)
    _add_tls(parser)
    group = add_connections(parser, "connections")
    group.add_argument(
        "--compression", action="store_const", const="deflate", default=_UNSAID,
        help="negotiate permessage-deflate",
    )  # fmt: skip
    for name, what in (
        ("connect", "time limit for connecting to a target (10)"),
        ("idle", "close connections over which nothing has come for so long (never)"),
    ):
        group.add_argument(
            f"--{name}-timeout", type=arguments.time_limit, default=_UNSAID, metavar="SECONDS",
            help=what,
        )  # fmt: skip
    parser.add_argument(
        "--metrics", type=arguments.address, metavar="HOST:PORT",
        help="answer GET /metrics here, for Prometheus",
    )  # fmt: skip
    add_loop(parser)
    add_log_level(parser)
    parser.set_defaults(run=partial(_bridge, parser))


def _add_ends(parser: argparse.ArgumentParser) -> None:
    ends = parser.add_argument_group("both ends")
    listening = ends.add_mutually_exclusive_group(required=True)
    listening.add_argument(
        "--listen", type=arguments.address, metavar="HOST:PORT",
        help="where WebSocket clients connect; or unix:PATH",
    )  # fmt: skip
    listening.add_argument(
        "--listen-tcp", type=arguments.address, metavar="HOST:PORT",
        help="where TCP clients connect; or unix:PATH",
    )  # fmt: skip
    ends.add_argument(
        "--to", metavar="TARGET",
        help="the target for every path; with --listen-tcp, a URI of ws:// or wss://",
    )  # fmt: skip
    ends.add_argument(
        "--target", action="append", type=arguments.named_target, default=[], dest="targets",
        metavar="NAME=TARGET", help="the target for the path /NAME; may be repeated",
    )  # fmt: skip
    ends.add_argument(
        "--text", action="store_true", default=_UNSAID,
        help="send text in place of binary frames, for protocols such as STOMP",
    )  # fmt: skip
    add_backlog(ends)


def _add_admission(parser: argparse.ArgumentParser) -> None:
    admission = parser.add_argument_group("opening handshakes")
    admission.add_argument(
        "--subprotocol", action="append", default=[], type=arguments.token, dest="subprotocols",
        metavar="NAME", help="demand this subprotocol, or one of several; with --listen-tcp, offer",
    )  # fmt: skip
    secrets = admission.add_mutually_exclusive_group()
    secrets.add_argument(
        "--basic", type=arguments.secret, metavar="SECRETS",
        help="demand a user and a password, USER:PASSWORD; with --listen-tcp, present them",
    )  # fmt: skip
    secrets.add_argument(
        "--bearer", type=arguments.secret, metavar="SECRETS",
        help="demand a bearer token; with --listen-tcp, present it",
    )  # fmt: skip
    admission.add_argument(
        "-H", "--header", action="append", default=[], type=arguments.header,
        metavar="'NAME: VALUE'", help="header to send, for --listen-tcp; may be repeated",
    )  # fmt: skip


def _add_tls(parser: argparse.ArgumentParser) -> None:
    tls = parser.add_argument_group("TLS")
    tls.add_argument(
        "--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files of ours, for those who connect"
    )
    tls.add_argument(
        "--ca", metavar="FILE",
        help="certificates to trust of the other end, in place of those of the system (PEM)",
    )  # fmt: skip
    tls.add_argument("--server-name", metavar="NAME", help="name to expect in its certificate")
    tls.add_argument(
        "--insecure", action="store_true", help="do not verify the certificate of the other end"
    )


def _check_secrets(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what no header can carry: clients that know it would be turned away."""
    from ..bridge.auth import is_bearer_token
    from ..protocol.headers import build_authorization_basic

    for line in options.basic or ():
        try:
            build_authorization_basic(*line.partition(":")[::2])
        except UnicodeEncodeError:
            parser.error("argument --basic: it is not UTF-8")
        except ValueError as error:
            parser.error(f"argument --basic: {error}")
    if not all(map(is_bearer_token, options.bearer or ())):
        parser.error("argument --bearer: a token is visible ASCII without spaces")


def _bridge(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from ..errors import InvalidURI
    from ..workers.app import AppError
    from ..workers.serving import run_loop

    if options.listen_tcp is not None:
        _check_listen_tcp(parser, options)
    else:
        _check_listen(parser, options)
    _check_secrets(parser, options)
    if getattr(options, "ping_interval", None) == 0:
        parser.error("argument --ping-interval: must be more than 0")
    log_to_stderr(options.log_level)
    where = options.listen_tcp or options.listen
    try:
        starting = _listening(options) if options.listen_tcp else _serving(options)
    except InvalidURI as error:
        parser.error(f"argument --to: {error}")
    except (AppError, OSError, TypeError, ValueError) as error:
        note(f"wscore: cannot bridge: {error}")
        return 1
    try:
        run_loop(options.loop or "asyncio", _run(starting, options))
    except (AppError, OSError, UnicodeError) as error:
        note(f"wscore: cannot listen on {where}: {error}")
        return 1
    return 0


def _check_listen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if bool(options.targets) == (options.to is not None):
        parser.error("argument --listen: needs either --to or --target")
    if len({name for name, _ in options.targets}) < len(options.targets):
        parser.error("argument --target: the same name twice")
    if options.header:
        parser.error("argument -H/--header: needs --listen-tcp")
    if options.to is not None:
        try:
            options.to = arguments.target(options.to)
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument --to: {error}")
    if options.basic is not None and not all(line.partition(":")[2] for line in options.basic):
        # An empty one is that of a variable that is not set.
        parser.error("argument --basic: must be USER:PASSWORD in each line, with a password")
    targets = [options.to] if options.to else [target for _, target in options.targets]
    if _has_trust_options(options) and not any(target.ssl for target in targets):
        parser.error("argument --ca, --server-name, --insecure: need a target with tls:")


def _check_listen_tcp(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name, option in _ONLY_LISTEN.items():
        if getattr(options, name, []) != []:  # "inf" is None
            parser.error(f"argument {option}: needs --listen")
    if options.to is None or not options.to.lower().startswith(("ws://", "wss://")):
        parser.error("argument --to: must be a URI of ws:// or wss:// with --listen-tcp")
    if len(getattr(options, "origins", ())) > 1:
        parser.error("argument --origin: is sent, once, with --listen-tcp")
    for name in ("basic", "bearer"):
        if len(getattr(options, name) or [""]) > 1:
            parser.error(f"argument --{name}: is one secret with --listen-tcp")
    if options.basic is not None and ":" not in options.basic[0]:
        parser.error("argument --basic: must be USER:PASSWORD")
    if _has_trust_options(options) and not options.to.lower().startswith("wss://"):
        parser.error("argument --ca, --server-name, --insecure: need wss://")


def _has_trust_options(options: argparse.Namespace) -> bool:
    """Whether anything is said about the certificate of the other end."""
    return bool(options.ca or options.server_name or options.insecure)


# What is to be started ---------------------------------------------------------------------------


def _serving(options: argparse.Namespace) -> serve:
    """The bridge of --listen. Raises AppError, OSError, ValueError."""
    from ..aio import basic_auth
    from ..bridge import bearer_auth, serve

    keywords = _given(options, (*CONNECTION_OPTIONS, *_OF_BRIDGES))
    to: Any = _verified(options.to, options) if options.to else {
        name: _verified(target, options) for name, target in options.targets
    }  # fmt: skip
    if options.basic is not None:
        pairs = [line.partition(":")[::2] for line in options.basic]
        keywords["process_request"] = basic_auth("wscore", pairs)
    elif options.bearer is not None:
        keywords["process_request"] = bearer_auth(options.bearer)
    if options.subprotocols:
        keywords["subprotocols"] = options.subprotocols
    return serve(to, ssl=_own_tls(options), **options.listen.keywords, **keywords)


def _listening(options: argparse.Namespace) -> listen_tcp:
    """The bridge of --listen-tcp. Raises AppError, OSError, ValueError, InvalidURI."""
    from ..bridge import listen_tcp
    from ..protocol.headers import build_authorization_basic

    keywords = _given(options, (*CONNECTION_OPTIONS, *_OF_BRIDGES))
    for origin in keywords.pop("origins", ()):
        keywords["origin"] = origin
    headers = list(options.header)
    if options.basic is not None:
        user, _, password = options.basic[0].partition(":")
        headers.append(("Authorization", build_authorization_basic(user, password)))
    elif options.bearer is not None:
        headers.append(("Authorization", f"Bearer {options.bearer[0]}"))
    if options.subprotocols:
        keywords["subprotocols"] = options.subprotocols
    if _has_trust_options(options):
        keywords["ssl"] = _other_tls(options)
        if options.server_name:
            keywords["server_hostname"] = options.server_name
    where = options.listen_tcp
    return listen_tcp(
        options.to,
        where.host,
        where.port,
        listen_path=where.path,
        listen_ssl=_own_tls(options),
        additional_headers=headers,
        **keywords,
    )


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    given: Mapping[str, Any] = vars(options)
    return {name: given[name] for name in names if name in given}


def _verified(target: Target, options: argparse.Namespace) -> Target:
    """*target*, with what is said about its certificate."""
    if not target.ssl or not _has_trust_options(options):
        return target
    return replace(target, ssl=_other_tls(options), server_hostname=options.server_name)


def _other_tls(options: argparse.Namespace) -> ssl.SSLContext:
    from ..aio.client.tls import client_context

    return client_context(options.ca, verify=not options.insecure)


def _own_tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    from ..workers.serving import tls_context

    return None if options.tls is None else tls_context(*options.tls)


# Running -----------------------------------------------------------------------------------------


async def _run(starting: serve | listen_tcp, options: argparse.Namespace) -> None:
    """Bridge until SIGINT or SIGTERM. Raises OSError, OutputError."""
    import asyncio

    stop = asyncio.Event()
    stop_on_signals(stop)
    async with AsyncExitStack() as stack:
        where = options.listen_tcp or options.listen
        bridge = await _start(stack, starting, where)
        if options.metrics is not None:
            await _start(stack, _metrics(bridge, options.metrics), options.metrics)
        _tell(bridge, options)
        await stop.wait()
        note(f"closing {len(bridge.pipes)} connections")


async def _start(stack: AsyncExitStack, starting: Any, where: arguments.Address) -> Any:
    """Listen at *where* as long as *stack* lasts. Raises OSError."""
    from ..workers.listening import make_room, remove_socket

    if where.path is not None:
        make_room(where.path)
    running = await stack.enter_async_context(starting)
    if where.path is not None:
        stack.callback(remove_socket, where.path, os.stat(where.path).st_ino)
    return running


def _tell(bridge: Bridge, options: argparse.Namespace) -> None:
    scheme = "" if options.listen_tcp else "wss://" if options.tls else "ws://"
    if sys.stdout is None:  # who closes it does not want to know
        return
    for sock in bridge.sockets:
        name = sock.getsockname()
        if isinstance(name, tuple):
            name = f"{scheme}{arguments.Address(name[0], name[1])}{'/' * bool(scheme)}"
        write(f"listening on {name}\n")


def _metrics(bridge: Bridge, where: arguments.Address) -> Any:
    """A server that answers Prometheus, and nobody else."""
    from ..aio import Listener, prometheus
    from ..aio import serve as aio_serve

    def answer(connection: ServerConnection, request: Request) -> Response:
        if request.path != "/metrics":
            return connection.respond(404, "Not Found\n")
        told = prometheus(bridge)
        if bridge.server is not None:
            told = prometheus(bridge.server) + told
        return connection.respond(200, told, {"Content-Type": "text/plain; version=0.0.4"})

    return aio_serve(Listener, process_request=answer, **where.keywords)
