"""The asyncio engine: `serve`, `connect`, and the connections between."""

from .client import ClientConnection, connect, unix_connect
from .connection import Connection
from .listener import Listener
from .server import Server, serve, unix_serve
from .server_connection import ServerConnection

__all__ = [
    "ClientConnection",
    "Connection",
    "Listener",
    "Server",
    "ServerConnection",
    "connect",
    "serve",
    "unix_connect",
    "unix_serve",
]
