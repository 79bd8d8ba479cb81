"""Opening handshakes that wait for the answer of the application.

As with `serve`, requests as most clients send them take the fast path: one compiled pass reads
them. Everything else, and all that is refused, takes the slow path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._backend import read_upgrade
from ..protocol.fastpath import accept_upgrade
from ..protocol.handshake import added_headers
from ..protocol.headers import Headers, parse_subprotocols
from .scope import fields_of_head, fields_of_headers

if TYPE_CHECKING:
    from .._backend.upgrade import Upgrade
    from ..protocol.fastpath import Accepted
    from ..protocol.http11 import Request, Response
    from ..protocol.server import ServerProtocol
    from .host import UvicornHost
    from .scope import Field

# What is added by those who add nothing.
_NONE = Headers()

__all__ = ["FastHandshake", "Handshake", "SlowHandshake", "checked", "fast_handshake"]


class Handshake(Protocol):
    """A request that may be accepted."""

    path: str
    """The target in origin-form, with its query."""
    fields: list[Field]
    subprotocols: list[str]
    """Those that the client offers."""

    def prepare(self, subprotocol: str | None, headers: Headers) -> None:
        """Add to the answer what the application says, which was checked."""

    def open(self) -> None:
        """Write the answer; the protocol is open then."""


class SlowHandshake:
    """A `Request`, and the `Response` that accepts it."""

    __slots__ = ("_protocol", "_response", "fields", "path", "subprotocols")

    def __init__(self, protocol: ServerProtocol, request: Request, response: Response) -> None:
        headers = request.headers
        self._protocol = protocol
        self._response = response
        self.path = request.path
        self.fields = fields_of_headers(headers)
        offered = "Sec-WebSocket-Protocol" in headers
        self.subprotocols = parse_subprotocols(headers) if offered else []

    def prepare(self, subprotocol: str | None, headers: Headers) -> None:
        """See `Handshake`."""
        if subprotocol:
            self._response.headers["Sec-WebSocket-Protocol"] = subprotocol
            self._protocol.subprotocol = subprotocol
        self._response.headers.update(headers)

    def open(self) -> None:
        """See `Handshake`."""
        self._protocol.send_response(self._response)


class FastHandshake:
    """An `Upgrade`, which offers no subprotocol, and the bytes that accept it."""

    __slots__ = ("_accepted", "_protocol", "fields", "path", "subprotocols")

    def __init__(
        self, protocol: ServerProtocol, upgrade: Upgrade, data: bytes, accepted: Accepted
    ) -> None:
        fields = fields_of_head(data[: upgrade.size])
        protocol.take_upgrade(upgrade, data, fields)
        self._protocol = protocol
        self._accepted = accepted
        self.path = upgrade.path
        self.fields = fields
        self.subprotocols: list[str] = []

    def prepare(self, subprotocol: str | None, headers: Headers) -> None:
        """See `Handshake`."""
        if headers:
            accepted = self._accepted
            self._accepted = accepted._replace(
                response=accepted.response[:-2] + headers.serialize(),
                lines=accepted.lines + str(headers)[:-2],
            )

    def open(self) -> None:
        """See `Handshake`."""
        self._protocol.open_taken(self._accepted)


def fast_handshake(
    protocol: ServerProtocol, host: UvicornHost, data: bytes
) -> FastHandshake | None:
    """The handshake if *data* is a whole request for the fast path, which is accepted; or None."""
    upgrade = read_upgrade(data)
    if upgrade is None:
        return None
    accepted = accept_upgrade(upgrade, None, host.handshake.extensions, host.header_lines())
    return None if accepted is None else FastHandshake(protocol, upgrade, data, accepted)


def checked(
    handshake: Handshake, subprotocol: str | None, headers: list[tuple[str, str]]
) -> Headers:
    """The *headers* that an application adds, if they and *subprotocol* may be sent.

    Raises ValueError for a subprotocol that was not offered, for headers that cannot be sent, and
    for those that belong to the handshake.
    """
    if subprotocol and subprotocol not in handshake.subprotocols:
        raise ValueError(f"subprotocol {subprotocol!r} was not offered")
    return added_headers(headers) if headers else _NONE
