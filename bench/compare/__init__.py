"""WebSocket against server-sent events and long polling: one feed, one server, three ways to it.

``make compare`` runs ``python -m bench.compare``. `app` is the application, `log` its feed,
`streams` the clients' side of each protocol; `load` measures with many of them, `recovery` with a
server that is killed, `browser` with Chromium.
"""

from __future__ import annotations

__all__ = ["CONTENDERS"]

# Contender: the path that it opens.
CONTENDERS = {
    "WebSocket, Hub": "/ws",
    "WebSocket, task": "/ws/task",
    "SSE": "/sse",
    "long polling": "/poll",
}
