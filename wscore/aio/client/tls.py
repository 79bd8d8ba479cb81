"""TLS contexts of clients."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["client_context", "default_tls"]

_lock = threading.Lock()
_context: ssl.SSLContext | None = None


def client_context(cafile: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a context that trusts the certificates in *cafile*, in PEM; None for the system's.

    Without *verify* it trusts anybody. Raises OSError.
    """
    import ssl  # slow to import, and not every client has it

    context = ssl.create_default_context(cafile=cafile)
    # Distributions decide what OpenSSL starts with: TLS 1.0 in Debian. RFC 8996.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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
    with _lock:  # clients of several loops, or many at once
        if _context is None:
            _context = client_context()
        return _context
