"""What the words of a command line stand for: each function parses one, or says what is wrong."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from ..protocol.forwarded import TrustedProxies
from ..protocol.headers import is_field_value, is_token
from ..protocol.hosts import host_and_port, split_host_and_port

if TYPE_CHECKING:
    from ..bridge import Target

__all__ = [
    "Address",
    "address",
    "application",
    "credentials",
    "header",
    "message",
    "named_target",
    "number",
    "origin",
    "port",
    "secret",
    "target",
    "time_limit",
    "token",
    "trusted_proxy",
]


def application(text: str) -> str:
    """Parse ``MODULE:NAME``."""
    from ..workers.app import AppError, check_target

    try:
        check_target(text)
    except AppError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def origin(text: str) -> str:
    """Parse an origin: ``https://example.org``."""
    from ..protocol.server import allowed_origins

    try:
        allowed_origins([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def port(text: str) -> int:
    """Parse a TCP port, 0 included."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def number(kind: type[int] | type[float], least: int) -> Callable[[str], Any]:
    """Return a function that parses a number of at least *least*."""
    expected = f"must be a {'whole ' * (kind is int)}number of at least {least}"

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise ArgumentTypeError(f"{expected}, not {text!r}") from None
        if isnan(value) or value < least:
            raise ArgumentTypeError(f"{expected}, not {text!r}")
        return value

    return parse


def time_limit(text: str) -> float | None:
    """Parse seconds, as options of `wscore.serve` and `wscore.connect` take them: inf is None."""
    seconds: float = number(float, 0)(text)
    return None if seconds == inf else seconds


def header(text: str) -> tuple[str, str]:
    """Parse ``Name: value``."""
    name, colon, value = text.partition(":")
    value = value.strip(" \t")
    if not colon or not is_token(name):
        raise ArgumentTypeError(f"must be 'Name: value', not {text!r}")
    # The bytes that the shell gave, as the wire takes them (RFC 9110 5.5).
    value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    if not is_field_value(value):
        raise ArgumentTypeError(f"the value of {name} has control characters")
    return name, value


def message(text: str) -> str:
    """Parse a text message: anything that is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError("is not UTF-8") from None
    return text


def token(text: str) -> str:
    """Parse the name of a subprotocol."""
    if not is_token(text):
        raise ArgumentTypeError(f"must be a name without spaces and separators, not {text!r}")
    return text


def credentials(text: str) -> tuple[str, str | None]:
    """Parse ``USER:PASSWORD`` or ``USER``."""
    user, colon, password = text.partition(":")
    return user, password if colon else None


def trusted_proxy(text: str) -> str:
    """Parse an address, a network or ``unix:``, as the option *trusted_proxies* has them."""
    try:
        TrustedProxies([text])
    except ValueError:
        raise ArgumentTypeError(
            f"must be an address, a network such as 10.0.0.0/8, or unix:, not {text!r}"
        ) from None
    return text


class Address(NamedTuple):
    """Where to listen: a host and a port, or a unix socket."""

    host: str | None = None
    port: int | None = None
    path: str | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """What `serve` takes for it."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        assert self.host is not None
        assert self.port is not None
        return host_and_port(self.host, self.port)


def address(text: str) -> Address:
    """Parse ``HOST:PORT``, with brackets around IPv6, or ``unix:PATH``."""
    if text.startswith("unix:") and len(text) > 5:
        return Address(path=text[5:])
    try:
        host, number = split_host_and_port(text)
    except ValueError:
        raise ArgumentTypeError(
            f"must be HOST:PORT, with brackets around IPv6, or unix:PATH, not {text!r}"
        ) from None
    return Address(host, port(number))


def target(text: str) -> Target:
    """Parse what a bridge connects to."""
    from ..bridge import Target

    try:
        return Target.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def named_target(text: str) -> tuple[str, Target]:
    """Parse ``NAME=TARGET``."""
    from ..bridge.target import is_name

    name, equals, where = text.partition("=")
    if not equals or not is_name(name):
        raise ArgumentTypeError(
            f"must be NAME=TARGET, and NAME of letters, digits and -._~, not {text!r}"
        )
    return name, target(where)


def secret(text: str) -> list[str]:
    """Read secrets, one in a line: ``file:PATH``, ``env:NAME`` or ``pass:SECRET``.

    Not even the part after the colon is in an error: it may be a secret that lacks its kind.
    """
    kind, _, where = text.partition(":")
    if kind == "pass":
        found = where
    elif kind == "env":
        if where not in os.environ:
            raise ArgumentTypeError("there is no such environment variable")
        found = os.environ[where]
    elif kind == "file":
        try:
            with open(where, encoding="utf-8-sig") as file:  # editors may add a byte order mark
                found = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentTypeError(f"cannot read it: {error}") from None
    else:
        raise ArgumentTypeError("must be file:PATH, env:NAME or pass:SECRET")
    # Not `splitlines`, which cuts a secret at characters that it may well contain.
    lines = (line.removesuffix("\r") for line in found.split("\n"))
    secrets = [line for line in lines if line.strip()]
    if not secrets:
        raise ArgumentTypeError("there is nothing in it")
    return secrets
