"""The asyncio engine: `serve`, `connect`, and the connections between."""

from ..protocol.backoff import Backoff, Failure
from .broadcast import broadcast
from .client.connect import connect, unix_connect
from .client.connection import ClientConnection
from .connection.connection import Connection
from .connection.listener import Listener
from .metrics import prometheus
from .server.auth import basic_auth
from .server.connection import ServerConnection
from .server.serve import serve, unix_serve
from .server.server import Server
from .stats import ServerStats, Stats

__all__ = [
    "Backoff",
    "ClientConnection",
    "Connection",
    "Failure",
    "Listener",
    "Server",
    "ServerConnection",
    "ServerStats",
    "Stats",
    "basic_auth",
    "broadcast",
    "connect",
    "prometheus",
    "serve",
    "unix_connect",
    "unix_serve",
]
