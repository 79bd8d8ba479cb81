"""The opening handshake of both sides, without I/O (RFC 6455 4).

A server checks a Request and answers it; a client builds one and checks the Response. An error in
a request carries the status and headers of the answer; `error_response` turns it into one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from .._version import __version__
from ..errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidOrigin,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
)
from .headers import (
    ExtensionHeader,
    Headers,
    HeadersLike,
    Origins,
    build_authorization_basic,
    build_extensions,
    build_subprotocols,
    parse_connection,
    parse_extensions,
    parse_subprotocols,
    parse_upgrade,
)
from .http11 import Request, Response
from .uri import WebSocketURI, build_host

__all__ = [
    "SERVER",
    "USER_AGENT",
    "VERSION",
    "Negotiated",
    "Origins",
    "accept_key",
    "accept_response",
    "added_headers",
    "build_request",
    "check_request",
    "check_response",
    "error_response",
    "generate_key",
    "reject_response",
    "select_subprotocol",
    "upgrade_response",
]

VERSION = "13"
USER_AGENT = SERVER = "Python/{}.{} wscore/{}".format(*sys.version_info[:2], __version__)

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# 16 bytes in base64: 21 digits of six bits, one whose last four bits are zero, and padding.
_is_key = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==").fullmatch
_is_host = re.compile(
    r"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]+)(?::[0-9]*)?"
).fullmatch

# Fields that callers must not set: the first group in any response, all of them in a handshake.
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})
_OWN_FIELDS = _FRAMING | {
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "upgrade",
}

_UPGRADE = Headers({"Upgrade": "websocket", "Connection": "Upgrade"})


def generate_key() -> str:
    """Return a Sec-WebSocket-Key: 16 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(16)).decode()


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers *key* (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def upgrade_response(key: str, lines: str) -> bytes:
    """The response that accepts a request with *key*; *lines* are further lines of its head."""
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{lines}\r\n"
    )
    return head.encode("latin-1")


def added_headers(headers: HeadersLike, own: frozenset[str] = _OWN_FIELDS) -> Headers:
    """Copy the headers that the user adds. Raises ValueError for a field of *own*."""
    added = Headers(headers)
    if not own.isdisjoint(added):
        raise ValueError(f"header is written by wscore: {', '.join(own.intersection(added))}")
    return added


def _joined(values: Sequence[str]) -> str | None:
    return ", ".join(values) if values else None


def _only_value(headers: Headers, name: str) -> str:
    values = headers.get_all(name)
    if len(values) != 1:
        raise InvalidHeader(name, _joined(values))
    return values[0]


# Server


def check_request(request: Request, *, origins: Origins | None = None) -> str:
    """Check a handshake request and return its key (RFC 6455 4.2.1).

    With *origins*, the request's Origin must be one of them. Raises InvalidHandshake with the
    status of the answer: 405 for methods other than GET, 426 for a missing upgrade or another
    version, 403 for the origin, 400 for everything else.
    """
    if request.method != "GET":
        raise InvalidHandshake(f"method {request.method[:16]}", 405, (("Allow", "GET"),))
    headers = request.headers
    # A server must ignore Upgrade in HTTP/1.0 (RFC 9110 7.8), so this is no upgrade at all, and
    # 426 tells better than 505 what to change.
    if request.protocol != "HTTP/1.1":
        raise InvalidUpgrade("Upgrade")
    _check_upgrade(headers)
    host = _only_value(headers, "Host")
    if not _is_host(host):  # RFC 9112 3.2
        raise InvalidHeader("Host", host)
    key = _only_value(headers, "Sec-WebSocket-Key")
    if not _is_key(key):
        raise InvalidHeader("Sec-WebSocket-Key", key)
    _check_version(headers)
    origin = _only_value(headers, "Origin") if "Origin" in headers else None
    if origins is not None and origin not in origins:
        raise InvalidOrigin(origin)
    return key


def _check_upgrade(headers: Headers) -> None:
    """Look for whole tokens, in any case and in lists: Firefox sends ``keep-alive, Upgrade``."""
    # Most requests have just these values. Comparing instead of parsing saves a tenth of the
    # whole handshake.
    if headers.get_all("Upgrade") != ["websocket"]:
        upgrade = parse_upgrade(headers)
        if "websocket" not in map(str.lower, upgrade):
            raise InvalidUpgrade("Upgrade", _joined(upgrade))
    if headers.get_all("Connection") != ["Upgrade"]:
        connection = parse_connection(headers)
        if "upgrade" not in map(str.lower, connection):
            raise InvalidUpgrade("Connection", _joined(connection))


def _check_version(headers: Headers) -> None:
    versions = headers.get_all("Sec-WebSocket-Version")
    if len(versions) > 1:  # RFC 6455 11.3.5
        raise InvalidHeader("Sec-WebSocket-Version", _joined(versions))
    if versions != [VERSION]:
        owed = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION))
        raise InvalidHeader("Sec-WebSocket-Version", _joined(versions), 426, owed)


def select_subprotocol(
    request: Request,
    available: Sequence[str] | Callable[[list[str]], str | None] | None,
    *,
    required: bool = False,
    select: Callable[[list[str]], str | None] | None = None,
) -> str | None:
    """Choose one of the subprotocols that the client offers, or None.

    *available* is a list in the server's order of preference, or a function that chooses from the
    client's list. *select*, which is called even if the client offers none, overrules it. Raises
    InvalidHeader; NegotiationError if *required* and there are some available, but none of them
    offered; and ValueError if a function returns one not offered.
    """
    headers = request.headers
    offered = parse_subprotocols(headers) if "Sec-WebSocket-Protocol" in headers else []
    if select is not None:
        return _offered(select(offered), offered)
    if not available:
        return None
    if isinstance(available, str):
        raise TypeError("subprotocols must be a list, not a str")
    if callable(available):
        chosen = _offered(available(offered), offered) if offered else None
    else:
        chosen = next((name for name in available if name in offered), None)
    if chosen is None and required:
        raise NegotiationError("the client offers no subprotocol of the server")
    return chosen


def _offered(chosen: str | None, offered: Sequence[str]) -> str | None:
    if chosen is not None and chosen not in offered:
        raise ValueError(f"subprotocol {chosen!r} was not offered")
    return chosen


def accept_response(
    request: Request,
    key: str,
    *,
    subprotocol: str | None = None,
    extensions: Sequence[ExtensionHeader] | None = None,
    headers: HeadersLike = (),
) -> Response:
    """Return the response with status 101 that opens the connection (RFC 6455 4.2.2).

    Raises ValueError for a subprotocol or an extension that *request* does not offer, and for
    *headers* that the handshake sets itself.
    """
    answer = _UPGRADE.copy()
    answer["Sec-WebSocket-Accept"] = accept_key(key)
    if extensions:
        offered = {name for name, _ in parse_extensions(request.headers)}
        if not offered.issuperset(name for name, _ in extensions):
            raise ValueError("an extension was not offered")
        answer["Sec-WebSocket-Extensions"] = build_extensions(extensions)
    if subprotocol is not None:
        if subprotocol not in parse_subprotocols(request.headers):
            raise ValueError(f"subprotocol {subprotocol!r} was not offered")
        answer["Sec-WebSocket-Protocol"] = subprotocol
    if headers:
        answer.update(added_headers(headers))
    return Response(101, "Switching Protocols", answer)


def reject_response(status: int, text: str = "", headers: HeadersLike = ()) -> Response:
    """Return a plain HTTP response that ends the connection, with *text* as its body.

    *headers* may replace the Content-Type, ``text/plain; charset=utf-8``. Raises ValueError for
    an unknown *status* or one below 200, for a 204 or 304 with a text, and for *headers* that
    frame the response; TypeError for a *text* that is no str.
    """
    if not isinstance(text, str):
        raise TypeError(f"the text of a response must be a str, not {type(text).__name__}")
    known = HTTPStatus(status)
    body = text.encode()
    if known < 200 or (body and known in (204, 304)):
        raise ValueError(f"a response with status {known:d} cannot have this text")
    answer = added_headers(headers, _FRAMING)
    # RFC 9110 7.8: a sender of Upgrade must name it in Connection.
    answer["Connection"] = "Upgrade, close" if "Upgrade" in answer else "close"
    if known not in (204, 304):
        answer["Content-Length"] = str(len(body))
        if "Content-Type" not in answer:
            answer["Content-Type"] = "text/plain; charset=utf-8"
    return Response(int(known), known.phrase, answer, body)


def error_response(error: Exception) -> Response:
    """Return the response to an *error*, never with its text: 500 unless InvalidHandshake."""
    if not isinstance(error, InvalidHandshake):
        return reject_response(500, "Internal Server Error\n")
    text = f"{HTTPStatus(error.status).phrase}\n"
    if error.status == HTTPStatus.UPGRADE_REQUIRED:
        text += "This address accepts only WebSocket clients.\n"
    return reject_response(error.status, text, error.headers)


# Client


def build_request(
    uri: WebSocketURI,
    key: str,
    *,
    origin: str | None = None,
    extensions: Sequence[ExtensionHeader] | None = None,
    subprotocols: Sequence[str] | None = None,
    headers: HeadersLike = (),
    user_agent: str | None = USER_AGENT,
) -> Request:
    """Return the request of the opening handshake (RFC 6455 4.1).

    *headers* may replace Host, Origin, Authorization and User-Agent. Raises ValueError for headers
    that the handshake sets itself and for names or values that a header cannot have.
    """
    added = added_headers(headers)
    optional = {
        "Host": build_host(uri),
        "Origin": origin,
        "Authorization": _authorization(uri),
        "User-Agent": user_agent,
    }
    request = Headers()
    for name, value in optional.items():
        if value is not None and name not in added:
            request[name] = value
    request.update(_UPGRADE)
    request["Sec-WebSocket-Key"] = key
    request["Sec-WebSocket-Version"] = VERSION
    if extensions:
        request["Sec-WebSocket-Extensions"] = build_extensions(extensions)
    if subprotocols:
        request["Sec-WebSocket-Protocol"] = build_subprotocols(subprotocols)
    request.update(added)
    return Request(uri.path, request)


def _authorization(uri: WebSocketURI) -> str | None:
    if uri.username is None:
        return None
    return build_authorization_basic(uri.username, uri.password or "")


class Negotiated(NamedTuple):
    """What the server chose from the client's offers."""

    subprotocol: str | None
    extensions: list[ExtensionHeader]


def check_response(
    response: Response,
    key: str,
    *,
    extensions: Sequence[ExtensionHeader] | None = None,
    subprotocols: Sequence[str] | None = None,
    require_subprotocol: bool = False,
) -> Negotiated:
    """Check the response to a request with *key*, *extensions* and *subprotocols* (RFC 6455 4.1).

    Does not check the parameters of extensions; `Extension.confirm` does. Raises InvalidStatus
    for a status other than 101, InvalidHeader, and NegotiationError for a choice not offered, or
    with *require_subprotocol* for no choice of a subprotocol.
    """
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise InvalidStatus(response)
    headers = response.headers
    upgrade = headers.get_all("Upgrade")
    if [value.lower() for value in upgrade] != ["websocket"]:
        raise InvalidUpgrade("Upgrade", _joined(upgrade))
    connection = parse_connection(headers)
    if "upgrade" not in map(str.lower, connection):
        raise InvalidUpgrade("Connection", _joined(connection))
    accept = _only_value(headers, "Sec-WebSocket-Accept")
    if accept != accept_key(key):
        raise InvalidHeader("Sec-WebSocket-Accept", accept)
    return Negotiated(
        _chosen_subprotocol(headers, subprotocols or (), required=require_subprotocol),
        _chosen_extensions(headers, extensions or ()),
    )


def _chosen_subprotocol(headers: Headers, offered: Sequence[str], *, required: bool) -> str | None:
    chosen = parse_subprotocols(headers)
    if len(chosen) > 1:
        raise InvalidHeader("Sec-WebSocket-Protocol", _joined(chosen))
    if required and not chosen:
        raise NegotiationError("the server chose none of the subprotocols")
    if chosen and chosen[0] not in offered:
        raise NegotiationError(f"subprotocol {chosen[0][:100]!r} was not offered")
    return chosen[0] if chosen else None


def _chosen_extensions(
    headers: Headers, offered: Sequence[ExtensionHeader]
) -> list[ExtensionHeader]:
    chosen = parse_extensions(headers)
    # An extension may be offered in several variants; the server chooses one.
    open_offers = {name for name, _ in offered}
    for name, _ in chosen:
        if name not in open_offers:
            raise NegotiationError(f"extension {name[:100]!r} was not offered or chosen twice")
        open_offers.remove(name)
    return chosen
