"""``wscore nginx``: print a configuration of nginx for nodes that serve WebSockets.

Everything that comes from the command line is checked against what may stand in such a
configuration: nothing of it can end a word, a directive or a block.
"""

from __future__ import annotations

import argparse
import re
from argparse import ArgumentTypeError
from ipaddress import IPv6Address
from math import ceil
from os.path import abspath, exists
from typing import NamedTuple

from . import arguments
from .output import write

__all__ = ["add_nginx"]

_EPILOG = """\
Without --snippet it is a whole configuration with all its files in the folder that nginx -p names:
'wscore nginx --node 127.0.0.1:8001 >nginx.conf; nginx -p . -c nginx.conf'. With --snippet it is
for /etc/nginx/conf.d. Nodes have to trust nginx: serve(trusted_proxies=["127.0.0.1"]), with the
address that nginx has for them, and serve(proxy_protocol=True) with --proxy-protocol."""

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63})*"
_is_host = re.compile(_HOST).fullmatch
_is_server_name = re.compile(rf"(?:\*\.)?{_HOST}").fullmatch
_is_variable = re.compile(r"[A-Za-z0-9_]{1,64}").fullmatch
_is_file = re.compile(r"/[A-Za-z0-9._/@+=,-]*").fullmatch
_is_url_path = re.compile(r"/[A-Za-z0-9._~/-]*").fullmatch
_STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
_LONGEST_PATH = 1024  # nginx takes words of less than 4,096
_LONGEST = 86400 * 365  # seconds
_SOCKET_PATH = 107  # bytes, as Linux allows

# Seconds for a node that does not answer, and how long nginx leaves it alone then.
_CONNECTING, _LEFT_ALONE = 5, 5
# Without a ping there is nothing to read for this many intervals of the heartbeat.
_INTERVALS = 3


class Sticky(NamedTuple):
    """What sends a client to its node: its address, a cookie, an argument of the query; nothing."""

    kind: str
    name: str = ""


# Arguments -------------------------------------------------------------------------------------


def node(text: str) -> str:
    """Parse ``HOST:PORT`` or ``unix:/PATH``."""
    if text.startswith("unix:"):
        if _is_file(text[5:]) and len(text) - 5 <= _SOCKET_PATH:
            return text
        raise ArgumentTypeError(f"must be 'unix:' and a path of plain characters, not {text!r}")
    return _endpoint(text)


def endpoint(text: str) -> str:
    """Parse ``PORT`` or ``ADDRESS:PORT``."""
    return text if text.isascii() and text.isdecimal() and _is_port(text) else _endpoint(text)


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not _is_port(port) or not (_is_host(host) or _is_bracketed(host)):
        raise ArgumentTypeError(f"must be HOST:PORT, with brackets around IPv6, not {text!r}")
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535


def _is_bracketed(host: str) -> bool:
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return host[0] == "[" and host[-1] == "]" and "%" not in host


def sticky(text: str) -> Sticky:
    """Parse ``ip_hash``, ``cookie:NAME``, ``arg:NAME`` or ``none``."""
    kind, colon, name = text.partition(":")
    named = kind in ("cookie", "arg")
    if not (named or kind in ("ip_hash", "none")) or named != bool(colon):
        raise ArgumentTypeError(f"must be ip_hash, cookie:NAME, arg:NAME or none, not {text!r}")
    if named and not _is_variable(name):
        raise ArgumentTypeError(f"the name of {kind} must have letters, digits and _, not {name!r}")
    return Sticky(kind, name)


def server_name(text: str) -> str:
    """Parse a host name; its first label may be ``*``."""
    if not _is_server_name(text) or len(text) > 253:
        raise ArgumentTypeError(f"must be a host name, not {text!r}")
    return text


def url_path(text: str) -> str:
    """Parse a path of plain characters."""
    if not _is_url_path(text) or len(text) > _LONGEST_PATH:
        raise ArgumentTypeError(f"must be a path of plain characters, not {text!r}")
    return text


def file(text: str) -> str:
    """Parse the name of a file, and return it from the root."""
    path = abspath(text)
    if not _is_file(path):
        raise ArgumentTypeError(f"must be a path of plain characters, not {path!r}")
    return path


def seconds(text: str) -> float:
    """Parse an interval of pings."""
    value: float = arguments.number(float, 1)(text)
    if value > _LONGEST:
        message = f"must be at most {_LONGEST}: without pings nginx ends idle connections"
        raise ArgumentTypeError(message)
    return value


# The command -----------------------------------------------------------------------------------


def add_nginx(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from ..aio.options import ConnectionOptions

    interval = ConnectionOptions(compression=None).ping_interval
    summary = "print a configuration of nginx for several nodes"
    parser = commands.add_parser(
        "nginx", help=summary, description=f"{summary.capitalize()}.", epilog=_EPILOG
    )
    parser.add_argument(
        "--node", action="append", required=True, type=node, metavar="HOST:PORT", dest="nodes",
        help="where a node listens, or unix:PATH; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--sticky", type=sticky, default=Sticky("ip_hash"), metavar="HOW",
        help="how a client comes back to its node: ip_hash, cookie:NAME, arg:NAME (of the query), "
        "or none, for the node with the fewest connections (ip_hash)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", type=endpoint, metavar="[ADDRESS:]PORT",
        help="where nginx listens (80, with --tls 443)",
    )  # fmt: skip
    parser.add_argument(
        "--server-name", action="append", type=server_name, metavar="NAME", default=[],
        help="name of the server, *.NAME for all below it; may be repeated (any)",
    )  # fmt: skip
    parser.add_argument(
        "--tls", nargs=2, type=file, metavar=("CERT", "KEY"), help="PEM files, for wss://"
    )
    parser.add_argument(
        "--health", type=url_path, metavar="PATH",
        help="path that any node answers, for those who watch; it is not logged",
    )  # fmt: skip
    parser.add_argument(
        "--ping-interval", type=seconds, default=interval, metavar="SECONDS",
        help="ping_interval of the nodes; nginx waits longer (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--proxy-protocol", action="store_true",
        help="pass on TCP in place of HTTP, with headers of the PROXY protocol",
    )  # fmt: skip
    parser.add_argument(
        "--snippet", action="store_true",
        help="print only what stands in the block http, or in stream with --proxy-protocol",
    )  # fmt: skip
    parser.set_defaults(run=lambda options: _nginx(parser, options))


def _nginx(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if len(set(options.nodes)) < len(options.nodes):
        parser.error("argument --node: the same one twice")
    if options.proxy_protocol:
        if options.sticky.kind in ("cookie", "arg") or options.server_name or options.health:
            parser.error("--proxy-protocol passes on TCP: no cookies, names or paths are seen")
        block, lines = "stream", _stream(options)
    else:
        block, lines = "http", _http(options)
    write("\n".join(lines if options.snippet else _whole(block, lines)) + "\n")
    return 0


def _whole(block: str, lines: list[str]) -> list[str]:
    # Debian's: a module of its own. Others have it built in.
    load = [f"load_module {_STREAM_MODULE};"] * (block == "stream" and exists(_STREAM_MODULE))
    # Temporary files, which the rest never writes: nginx makes their folders all the same.
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] * (block == "http")
    own = [*(f"{kind}_temp_path temp_{kind};" for kind in kinds), "access_log off;", ""]
    return [
        *load,
        "worker_processes auto;",
        "# A client takes two descriptors: one to it, one to its node.",
        "worker_rlimit_nofile 32768;",
        "pid nginx.pid;",
        "error_log error.log warn;",
        "events {",
        "    worker_connections 16384;",
        "}",
        f"{block} {{",
        *_indented(own + lines),
        "}",
    ]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _http(options: argparse.Namespace) -> list[str]:
    proxying = [
        "proxy_http_version 1.1;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $wscore_connection;",
        "# What clients say of themselves is replaced, not added to.",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        'proxy_set_header Forwarded "";',
        *_timeouts(options),
        "proxy_buffering off;",
        "proxy_request_buffering off;",
    ]
    locations = ["location / {", "    proxy_pass http://wscore;", "}"]
    if options.health is not None:
        locations += [
            f"location = {options.health} {{",
            "    access_log off;",
            "    proxy_pass http://wscore;",
            "}",
        ]
    return [
        *_key(options.sticky),
        "map $http_upgrade $wscore_connection {",
        "    default upgrade;",
        '    "" close;',
        "}",
        *_upstream(options, _method(options.sticky)),
        "server {",
        *_indented(
            [
                *_listening(options),
                f"server_name {' '.join(options.server_name) or '_'};",
                *proxying,
                *locations,
            ]
        ),
        "}",
    ]


def _stream(options: argparse.Namespace) -> list[str]:
    is_sticky = options.sticky.kind != "none"
    method = "hash $remote_addr consistent;" if is_sticky else "least_conn;"
    idle = ceil(_INTERVALS * options.ping_interval)
    return [
        *_upstream(options, method),
        "server {",
        *_indented(
            [
                *_listening(options),
                "proxy_pass wscore;",
                "proxy_protocol on;",
                f"proxy_connect_timeout {_CONNECTING}s;",
                f"proxy_timeout {idle}s;",
            ]
        ),
        "}",
    ]


def _key(how: Sticky) -> list[str]:
    """What a client is known by: its address as long as it has neither cookie nor argument."""
    if not how.name:
        return []
    variable = f"${how.kind}_{how.name}"
    return [
        f"map {variable} $wscore_key {{",
        f"    default {variable};",
        '    "" $remote_addr;',
        "}",
    ]


def _method(how: Sticky) -> str:
    if how.name:
        return "hash $wscore_key consistent;"
    return "ip_hash;" if how.kind == "ip_hash" else "least_conn;"


def _upstream(options: argparse.Namespace, method: str) -> list[str]:
    nodes = [f"server {name} max_fails=1 fail_timeout={_LEFT_ALONE}s;" for name in options.nodes]
    size = 64 * (1 + len(nodes) // 16)  # a node takes up to 1.5 KiB
    return ["upstream wscore {", *_indented([f"zone wscore {size}k;", method, *nodes]), "}"]


def _timeouts(options: argparse.Namespace) -> list[str]:
    idle = ceil(_INTERVALS * options.ping_interval)
    return [
        f"proxy_connect_timeout {_CONNECTING}s;",
        f"# Above the heartbeat of the nodes, a ping after {options.ping_interval:g} s of silence.",
        f"proxy_read_timeout {idle}s;",
        f"proxy_send_timeout {idle}s;",
    ]


def _listening(options: argparse.Namespace) -> list[str]:
    if options.tls is None:
        return [f"listen {options.listen or 80};"]
    certificate, key = options.tls
    return [
        f"listen {options.listen or 443} ssl;",
        f"ssl_certificate {certificate};",
        f"ssl_certificate_key {key};",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "ssl_session_cache shared:wscore_tls:10m;",
    ]
