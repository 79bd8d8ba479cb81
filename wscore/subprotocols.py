"""Names of subprotocols, and functions that choose among them for `serve`.

A name stands for a version of a protocol, and is compared byte by byte. The names are those of
IANA's registry (RFC 6455 11.5) and of the protocols' own specifications.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import NegotiationError
from .protocol.checks import check_kind, checked_tokens, mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .aio import ServerConnection

    Select = Callable[[ServerConnection, list[str]], str | None]

__all__ = [
    "AMQP",
    "COAP",
    "GRAPHQL",
    "GRAPHQL_TRANSPORT_WS",
    "GRAPHQL_WS",
    "JMAP",
    "MQTT",
    "MSRP",
    "OCPP",
    "OCPP_1_2",
    "OCPP_1_5",
    "OCPP_1_6",
    "OCPP_2_0",
    "OCPP_2_0_1",
    "OCPP_2_1",
    "SIP",
    "SOAP",
    "STOMP",
    "STOMP_1_0",
    "STOMP_1_1",
    "STOMP_1_2",
    "WAMP",
    "WAMP_2_CBOR",
    "WAMP_2_JSON",
    "WAMP_2_MSGPACK",
    "XMPP",
    "by_path",
    "client_preference",
    "server_preference",
]

GRAPHQL_WS = "graphql-ws"
"""The protocol of the package subscriptions-transport-ws, and of most servers until 2021."""
GRAPHQL_TRANSPORT_WS = "graphql-transport-ws"
"""The protocol of the package graphql-ws, in spite of that package's name."""
GRAPHQL = (GRAPHQL_TRANSPORT_WS, GRAPHQL_WS)
"""Both, the newer one first."""

MQTT = "mqtt"
"""All versions; MQTT 3.1.1 6 and MQTT 5.0 6."""

STOMP_1_0 = "v10.stomp"
STOMP_1_1 = "v11.stomp"
STOMP_1_2 = "v12.stomp"
STOMP = (STOMP_1_2, STOMP_1_1, STOMP_1_0)
"""All versions, the newest first."""

WAMP_2_JSON = "wamp.2.json"
"""WAMP in text messages of JSON."""
WAMP_2_MSGPACK = "wamp.2.msgpack"
"""WAMP in binary messages of MessagePack."""
WAMP_2_CBOR = "wamp.2.cbor"
"""WAMP in binary messages of CBOR."""
WAMP = (WAMP_2_CBOR, WAMP_2_MSGPACK, WAMP_2_JSON)
"""All three, the most compact first."""

OCPP_1_2 = "ocpp1.2"
OCPP_1_5 = "ocpp1.5"
OCPP_1_6 = "ocpp1.6"
OCPP_2_0 = "ocpp2.0"
OCPP_2_0_1 = "ocpp2.0.1"
OCPP_2_1 = "ocpp2.1"
OCPP = (OCPP_2_1, OCPP_2_0_1, OCPP_2_0, OCPP_1_6, OCPP_1_5, OCPP_1_2)
"""All versions, the newest first."""

AMQP = "amqp"
"""AMQP 1.0."""
COAP = "coap"
"""RFC 8323."""
JMAP = "jmap"
"""RFC 8887."""
MSRP = "msrp"
"""RFC 7977."""
SIP = "sip"
"""RFC 7118."""
SOAP = "soap"
XMPP = "xmpp"
"""RFC 7395."""


# As a request has one: any other would never be compared with success.
_is_path = re.compile(r"(?!.*[?#])/[!-~]*").fullmatch

# For `serve(select_subprotocol=...)`. All of them refuse with 400, by NegotiationError.


def server_preference(*names: str, required: bool = True) -> Select:
    """Return a function that chooses the first of *names* that the client offers.

    It refuses clients that offer none of them; without *required* they are let in without a
    subprotocol. Raises TypeError, ValueError.
    """
    spoken = _checked(names, required)

    def select(connection: ServerConnection, offered: list[str]) -> str | None:
        return _chosen((name for name in spoken if name in offered), required)

    return select


def client_preference(*names: str, required: bool = True) -> Select:
    """Return a function that chooses the first of the client's offers that is one of *names*.

    *required* is as for `server_preference`. Raises TypeError, ValueError.
    """
    spoken = _checked(names, required)

    def select(connection: ServerConnection, offered: list[str]) -> str | None:
        return _chosen((name for name in offered if name in spoken), required)

    return select


def by_path(paths: Mapping[str, Sequence[str]], *, required: bool = True) -> Select:
    """Return a function that chooses by the path that a client asks for.

    *paths* gives the names for each path, in order of the server's preference; an empty list is
    for a path without subprotocols. Paths are compared as clients write them, without the query.

    The function refuses paths that are not there, and clients that offer nothing for theirs;
    without *required* these are let in without a subprotocol. Raises TypeError, ValueError.
    """
    if not isinstance(paths, Mapping):
        raise TypeError(mismatch("paths", "a mapping of paths to lists of names", paths))
    check_kind("required", required, bool, "a bool")
    for path in paths:
        if not (isinstance(path, str) and _is_path(path)):
            expected = "a mapping of paths, which begin with / and have no query"
            raise ValueError(mismatch("paths", expected, path))
    spoken = {path: checked_tokens(path, names) for path, names in paths.items()}

    def select(connection: ServerConnection, offered: list[str]) -> str | None:
        assert connection.request is not None  # the one that is being answered
        names = spoken.get(connection.request.path.partition("?")[0])
        needed = required and names != ()
        return _chosen((name for name in names or () if name in offered), needed)

    return select


def _checked(names: tuple[str, ...], required: object) -> tuple[str, ...]:
    check_kind("required", required, bool, "a bool")
    if not names:
        raise ValueError("at least one subprotocol is needed")
    return checked_tokens("names", names)


def _chosen(fitting: Iterator[str], required: bool) -> str | None:
    chosen = next(fitting, None)
    if chosen is None and required:
        raise NegotiationError("the client offers no subprotocol of the server")
    return chosen
