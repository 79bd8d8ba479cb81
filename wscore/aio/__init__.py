"""The asyncio engine: `serve`, `connect`, and the connections between."""

from .auth import basic_auth
from .backoff import Backoff, Failure
from .client import ClientConnection, connect, unix_connect
from .connection import Connection
from .listener import Listener
from .metrics import prometheus
from .server import Server, serve, unix_serve
from .server_connection import ServerConnection
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
    "connect",
    "prometheus",
    "serve",
    "unix_connect",
    "unix_serve",
]
