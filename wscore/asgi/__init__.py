"""wscore under uvicorn: ``uvicorn app:app --ws wscore.asgi:WebSocketProtocol``."""

from .protocol import WebSocketProtocol

__all__ = ["WebSocketProtocol"]
