"""The scope of a connection, which tells the application about its request."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..aio.connection.transport import address_of

if TYPE_CHECKING:
    from ..aio.server.connection import ServerConnection
    from ..protocol.headers import Headers
    from .handshakes import Handshake
    from .host import UvicornHost

__all__ = ["Field", "Scope", "fields_of_head", "fields_of_headers", "make_scope"]

Scope = dict[str, Any]
# Name, in lower case, and value.
Field = tuple[bytes, bytes]

# Headers that most clients send alike. They take a third of the memory of a scope, which lives as
# long as its connection, so connections share them; none of them is a secret of one client.
_ALIKE = {
    b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"host", b"origin",
    b"pragma", b"sec-websocket-extensions", b"sec-websocket-protocol", b"sec-websocket-version",
    b"upgrade", b"user-agent",
}  # fmt: skip


# So many at most are kept, and none that is longer: clients must not choose how much memory it is.
_MOST_SHARED, _LONGEST = 256, 512

_shared_name = lru_cache(maxsize=_MOST_SHARED)(bytes.lower)
# Fields by the lines that they are made of.
_shared: dict[bytes, Field] = {}


def _field_of_line(line: bytes) -> Field:
    name, _, value = line.partition(b":")
    if len(line) > _LONGEST:
        return name.lower(), value.strip(b" \t")
    field = _shared_name(name), value.strip(b" \t")
    if field[0] in _ALIKE:
        if len(_shared) >= _MOST_SHARED:
            _shared.clear()
        _shared[line] = field
    return field


def _fields_of_lines(lines: list[bytes]) -> list[Field]:
    shared = _shared.get
    # A copy: a list that has grown to its size has room for more, as long as it lives.
    return [shared(line) or _field_of_line(line) for line in lines].copy()


def fields_of_head(head: bytes) -> list[Field]:
    """The header fields of a request, which was found to be valid."""
    return _fields_of_lines(head[:-4].split(b"\r\n")[1:])


def fields_of_headers(headers: Headers) -> list[Field]:
    """The same of a request that was parsed."""
    return _fields_of_lines(
        [f"{name}:{value}".encode("latin-1") for name, value in headers.raw_items()]
    )


def _address(name: Any) -> tuple[str, int | None] | None:
    """A socket's own address: host and port, or a path without a port."""
    if isinstance(name, tuple):
        return name if len(name) == 2 else name[:2]
    return (name, None) if name and isinstance(name, str) else None


def _client(name: Any) -> tuple[str, int | None] | None:
    return _address(name) if isinstance(name, tuple) else None


def make_scope(
    handshake: Handshake, connection: ServerConnection, host: UvicornHost, app_state: dict[str, Any]
) -> Scope:
    """Return the scope of a request, as the ASGI WebSocket specification 2.5 describes it.

    ``extensions["wscore"]["connection"]`` is the connection, for what ASGI has no words for.
    """
    raw_path, _, query = handshake.path.partition("?")
    transport: Any = connection.transport
    return {
        "type": "websocket",
        "asgi": host.asgi.copy(),
        "http_version": "1.1",
        "scheme": "wss" if transport.get_extra_info("sslcontext") else "ws",
        "server": _address(address_of(transport, "sockname")),
        "client": _client(address_of(transport, "peername")),
        "root_path": host.root_path,
        "path": host.root_path + unquote(raw_path),
        "raw_path": (host.root_path + raw_path).encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": handshake.fields,
        "subprotocols": handshake.subprotocols,
        "state": app_state.copy(),
        "extensions": {"websocket.http.response": {}, "wscore": {"connection": connection}},
    }
