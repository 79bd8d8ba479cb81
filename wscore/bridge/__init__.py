"""Between WebSocket and TCP, or unix sockets, in both directions: a stream, byte for byte."""

from .auth import bearer_auth
from .bridge import Bridge
from .listening import listen_tcp
from .serving import serve
from .stats import BridgeStats
from .target import Target

__all__ = ["Bridge", "BridgeStats", "Target", "bearer_auth", "listen_tcp", "serve"]
