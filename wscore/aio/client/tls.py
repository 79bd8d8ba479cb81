"""The TLS context of clients that bring none."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["default_tls"]

_lock = threading.Lock()
_context: ssl.SSLContext | None = None


async def default_tls() -> ssl.SSLContext:
    """Return the context with the usual checks: one for all connections of the process.

    Reading the certificates of the system takes tens of milliseconds, so they are read once, and
    on another thread. Certificates that are installed later are not in it.
    """
    if _context is not None:
        return _context
    return await asyncio.get_running_loop().run_in_executor(None, _made_once)


def _made_once() -> ssl.SSLContext:
    global _context
    import ssl

    with _lock:  # clients of several loops, or many at once
        if _context is None:
            context = ssl.create_default_context()
            # Distributions decide what OpenSSL starts with: TLS 1.0 in Debian. RFC 8996.
            context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
            _context = context
        return _context
