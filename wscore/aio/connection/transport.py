"""What a wire needs of its transport.

asyncio's and uvloop's transports have it, our own have it, and so can any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..._backend import SocketTransport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

__all__ = ["Transport", "address_of", "addresses_of", "close_once", "fileno_of", "write_joined",
           "write_several"]  # fmt: skip


class Transport(Protocol):
    """A stream of bytes to the peer, as `asyncio.Transport` describes it."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def write(self, data: bytes | memoryview) -> None: ...
    def writelines(self, list_of_data: Sequence[bytes | memoryview]) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_size(self) -> int: ...

    def can_write_eof(self) -> bool: ...
    def write_eof(self) -> None: ...
    def is_closing(self) -> bool: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


# Transports whose socket the writer may write to while they hold nothing themselves. What other
# transports do to the bytes is unknown.
_PLAIN_SOCKETS = {"uvloop.loop", "asyncio.selector_events"}


def fileno_of(transport: Transport) -> Callable[[], int] | None:
    """Return a function that gives the descriptor of the socket, -1 once it is closed.

    Return None if only the transport may write. Those of others come from uvicorn: to leave the
    writing to them takes 14 % more CPU time for an ASGI echo with one message in flight. uvloop's
    write at the end of a turn, and asyncio's do more than to write. Writers call our own in another
    way; for that, a function only tells that the transport keeps its addresses, as others here do.
    """
    if type(transport) is SocketTransport:
        return transport.fileno  # type: ignore[attr-defined,no-any-return]
    if type(transport).__module__ not in _PLAIN_SOCKETS or transport.get_extra_info("sslcontext"):
        return None
    return transport.get_extra_info("socket").fileno  # type: ignore[no-any-return]


def address_of(transport: Transport, name: str) -> Any:
    """The "peername" or "sockname" of *transport*, as an object that it has anyway; or None."""
    if not type(transport).__module__.startswith("uvloop"):
        return transport.get_extra_info(name)
    # uvloop's makes a new one each time; its sockets keep theirs.
    socket = transport.get_extra_info("socket")
    try:
        return socket.getpeername() if name == "peername" else socket.getsockname()
    except (AttributeError, OSError):
        return None


def addresses_of(transport: Transport) -> dict[str, Any]:
    """Both addresses of a connection, which transports of TLS forget when they end."""
    return {name: transport.get_extra_info(name) for name in ("peername", "sockname")}


def close_once(transport: Transport) -> None:
    """Close *transport* unless it is closing: asyncio's TLS, closed twice, cannot be aborted."""
    if not transport.is_closing():
        transport.close()


def write_joined(transport: Transport, output: Sequence[bytes]) -> None:
    """Write *output* in order, by one system call if the transport allows it."""
    if type(transport).__module__.startswith("asyncio."):
        transport.write(b"".join(output))
    else:
        transport.writelines(output)


def write_several(transport: Transport, output: Sequence[bytes | memoryview]) -> None:
    """Write *output* in order, with as few system calls as the transport allows."""
    if type(transport).__module__.startswith("asyncio."):
        # asyncio's writelines does not pause the protocol in CPython 3.12 and 3.13.
        for data in output:
            transport.write(data)
    else:
        transport.writelines(output)
