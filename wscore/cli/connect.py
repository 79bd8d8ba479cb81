"""``wscore connect``, also as ``wscore URI``: its options, and what they mean for `connect`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arguments
from .output import is_terminal, note

if TYPE_CHECKING:
    import ssl

__all__ = ["add_connect"]

_EPILOG = """\
In a terminal, type messages at the prompt; Control-D or Control-C closes the connection. In a
pipe, each line is a message, and nothing but messages is printed. Exit status: 0 after a normal
closure, 1 if the connection broke or was closed with an error, or if the input or the output
failed, 2 for wrong usage, 3 if the connection could not be opened."""


def add_connect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    summary = "send lines of stdin as messages and print received messages"
    parser = commands.add_parser(
        "connect", help=summary, description=f"{summary.capitalize()}.", epilog=_EPILOG
    )
    parser.add_argument("uri", metavar="URI", help="ws:// or wss://")
    _add_request(parser)
    _add_connection(parser)
    _add_conversation(parser)
    parser.set_defaults(run=partial(_connect, parser))


def _add_request(parser: argparse.ArgumentParser) -> None:
    request = parser.add_argument_group("opening handshake")
    request.add_argument(
        "-H", "--header", action="append", default=[], type=arguments.header,
        metavar="'NAME: VALUE'", help="header to send; may be repeated",
    )  # fmt: skip
    request.add_argument("-o", "--origin", help="Origin to send")
    request.add_argument(
        "-s", "--subprotocol", action="append", default=[], type=arguments.token, metavar="NAME",
        help="subprotocol to offer; may be repeated",
    )  # fmt: skip
    request.add_argument(
        "--require-subprotocol", action="store_true",
        help="give up when the server chooses none of the subprotocols",
    )  # fmt: skip
    request.add_argument(
        "--auth", type=arguments.credentials, metavar="USER[:PASSWORD]",
        help="Basic authentication; asks for a password that is not given",
    )  # fmt: skip
    request.add_argument("--user-agent", metavar="TEXT", help="User-Agent to send, '' for none")


def _add_connection(parser: argparse.ArgumentParser) -> None:
    connection = parser.add_argument_group("connection")
    connection.add_argument(
        "--ca", metavar="FILE", help="certificates to trust, in place of those of the system (PEM)"
    )
    connection.add_argument(
        "--cert", metavar="FILE", help="certificate to present, with its key if there is no --key"
    )
    connection.add_argument("--key", metavar="FILE", help="key of --cert")
    connection.add_argument(
        "-n", "--no-check", "--insecure", dest="check", action="store_false",
        help="do not verify the server's certificate",
    )  # fmt: skip
    proxies = connection.add_mutually_exclusive_group()
    proxies.add_argument(
        "--proxy", default=True, metavar="URL",
        help="HTTP or SOCKS proxy, in place of that of the environment",
    )  # fmt: skip
    proxies.add_argument(
        "--no-proxy", dest="proxy", action="store_const", const=None, help="connect directly"
    )
    connection.add_argument(
        "--no-compression", dest="compression", action="store_const", const=None,
        default="deflate", help="do not offer permessage-deflate",
    )  # fmt: skip
    connection.add_argument(
        "--max-size", type=arguments.number(int, 0), default=1 << 20, metavar="BYTES",
        help="maximum size of a received message (%(default)s)",
    )  # fmt: skip
    connection.add_argument(
        "--timeout", type=arguments.time_limit, default=10, metavar="SECONDS",
        help="time limit for connecting (%(default)s)",
    )  # fmt: skip


def _add_conversation(parser: argparse.ArgumentParser) -> None:
    conversation = parser.add_argument_group("conversation")
    conversation.add_argument(
        "-x", "--execute", action="append", type=arguments.message, metavar="MESSAGE",
        help="message to send in place of stdin; may be repeated",
    )  # fmt: skip
    conversation.add_argument(
        "-w", "--wait", "--linger", type=arguments.number(float, 0), default=0.5,
        metavar="SECONDS",
        help="seconds without a message, after the last one was sent, before closing; "
        "'inf' waits for the server (%(default)s)",
    )  # fmt: skip
    conversation.add_argument(
        "-P", "--show-ping-pong", action="store_true", help="show received pings and pongs"
    )
    conversation.add_argument(
        "-v", "--verbose", action="store_true",
        help="show the opening handshake, without its secrets, and how the connection ended",
    )  # fmt: skip
    conversation.add_argument(
        "--slash", action="store_true",
        help="lines may be commands: /ping [DATA], /pong [DATA], /close [CODE [REASON]]",
    )  # fmt: skip


def _connect(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    import asyncio

    from .talk import NOT_CONNECTED, Manner, talk

    if options.require_subprotocol and not options.subprotocol:
        parser.error("argument --require-subprotocol: needs -s/--subprotocol")
    try:
        connecting = _connecting(options)
    except (OSError, ValueError) as error:
        note(f"cannot connect: {error}")
        return NOT_CONNECTED
    manner = Manner(
        messages=options.execute,
        wait=options.wait,
        commands=options.slash,
        control_frames=options.show_ping_pong,
        verbose=options.verbose,
    )
    return asyncio.run(talk(options.uri, manner, **connecting))


def _connecting(options: argparse.Namespace) -> dict[str, Any]:
    """The keywords of `connect`. Raises OSError, ValueError."""
    from ..protocol.headers import build_authorization_basic

    headers = list(options.header)
    if options.auth is not None:
        user, password = options.auth
        authorization = build_authorization_basic(user, _password(user, password))
        headers.append(("Authorization", authorization))
    keywords = {
        "additional_headers": headers,
        "subprotocols": options.subprotocol,
        "require_subprotocol": options.require_subprotocol,
        "origin": options.origin,
        "proxy": options.proxy,
        "compression": options.compression,
        "max_size": options.max_size,
        "open_timeout": options.timeout,
    }
    if options.user_agent is not None:
        keywords["user_agent_header"] = options.user_agent or None
    context = _tls(options)
    if context is not None and options.uri.lower().startswith("wss:"):
        keywords["ssl"] = context
    return keywords


def _password(user: str, given: str | None) -> str:
    if given is not None:
        return given
    if not is_terminal(sys.stdin):
        raise ValueError("--auth needs USER:PASSWORD where there is no terminal to ask")
    from getpass import getpass

    try:
        return getpass(f"password of {user}: ")
    except EOFError:
        raise ValueError("no password") from None


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    """A context for what differs from the usual checks; None for those."""
    if options.key and not options.cert:
        raise ValueError("--key needs --cert")
    if options.check and not (options.ca or options.cert):
        return None
    import ssl

    from ..aio.client.tls import client_context

    trusted = _readable(options.ca)
    own = _readable(options.cert, options.key)
    try:
        context = client_context(trusted[0] if trusted else None, verify=options.check)
    except ssl.SSLError as error:
        raise ValueError(f"no certificates in {options.ca}: {error}") from error
    if own:
        try:
            context.load_cert_chain(*own)
        except ssl.SSLError as error:
            raise ValueError(f"no certificate and key in {' and '.join(own)}: {error}") from error
    return context


def _readable(*names: str | None) -> list[str]:
    """Those *names* that are given, of files that can be read. Raises OSError with their names."""
    given = [name for name in names if name]
    for name in given:
        with open(name, "rb"):
            pass
    return given
