"""Which transports the plain connections of an event loop have: our own, or those of the loop.

Our own need the compiled backend, epoll or kqueue, and a loop that takes readers.
``WSCORE_TRANSPORT=auto`` takes them wherever that is the case on Linux; ``own`` insists on them,
on other systems too, where they were never run; ``asyncio`` takes those of the loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.trsock import TransportSocket
from contextvars import Context
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._backend import BACKEND, HAS_REACTOR, Reactor

if TYPE_CHECKING:
    from .._backend import ReadBuffer

__all__ = ["FAMILIES", "new_reactor", "wanted_transport", "why_not_own"]

# Sockets whose addresses our own transport knows.
FAMILIES = frozenset(
    getattr(socket, name) for name in ("AF_INET", "AF_INET6", "AF_UNIX") if hasattr(socket, name)
)
# On other systems, with kqueue, our own were compiled and never run.
_WAS_RUN = sys.platform.startswith("linux")


def wanted_transport() -> str:
    """``WSCORE_TRANSPORT``: "own", "asyncio", or "auto", the default. Raises ValueError."""
    wanted = os.environ.get("WSCORE_TRANSPORT", "auto")
    if wanted not in ("auto", "own", "asyncio"):
        raise ValueError(f"WSCORE_TRANSPORT={wanted!r}: choose auto, own or asyncio")
    return wanted


def why_not_own(kind: type[asyncio.AbstractEventLoop], wanted: str) -> str | None:
    """Why plain connections of loops of this *kind* have the loop's transports.

    None if they have our own. *wanted* is the value of ``WSCORE_TRANSPORT``.
    """
    if wanted == "asyncio":
        return "WSCORE_TRANSPORT=asyncio"
    if BACKEND != "compiled":
        return "there is no compiled backend"
    if not HAS_REACTOR:
        return "this system has neither epoll nor kqueue"
    if not (issubclass(kind, asyncio.SelectorEventLoop) or kind.__module__.startswith("uvloop")):
        return f"wscore's own transports are not known to work on {kind.__qualname__}"
    if wanted == "auto" and not _WAS_RUN:
        return "wscore's own transports were never run on this system"
    return None


def new_reactor(
    loop: asyncio.AbstractEventLoop, wanted: str, buffer: ReadBuffer, run_once: object | None
) -> Any:
    """What watches the sockets of our own transports; None if the loop's are to be used.

    The loop keeps it. *wanted* is the value of ``WSCORE_TRANSPORT``, *run_once* that of `LoopData`.
    Raises RuntimeError if our own are wanted and there are none.
    """
    reason = why_not_own(type(loop), wanted)
    if reason is None:
        reactor = Reactor(buffer, ref(loop), run_once, _wrapped)
        Context().run(loop.add_reader, reactor.fileno(), reactor.run)
        return reactor
    if wanted == "own":
        raise RuntimeError(f"WSCORE_TRANSPORT=own, but {reason}")
    return None


def _wrapped(descriptor: int) -> tuple[socket.socket, TransportSocket]:
    """A socket object, and what of it applications may have."""
    made = socket.socket(fileno=descriptor)
    try:
        return made, _SharedSocket(made)
    except BaseException:
        made.detach()  # else it would close the descriptor when it is let go
        raise


class _SharedSocket(TransportSocket):
    """A socket that is its transport's to close. asyncio's own has these methods in Python 3.10."""

    __slots__ = ()

    def close(self) -> None:
        raise NotImplementedError("the transport closes its socket")

    def detach(self) -> int:
        raise NotImplementedError("the transport needs its socket")
