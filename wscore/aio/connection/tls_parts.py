"""Parts of a transport of TLS that need nothing of its state."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ssl import SSLWantReadError
from typing import TYPE_CHECKING, Any, cast

from ..._backend import TLS_PLAINTEXT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ..._backend import TLSRecords

__all__ = ["AFTER_HANDSHAKE", "drop_input", "ignore", "reads_of", "settle", "shake_hands"]


def _certificate_of(made: ssl.SSLObject) -> Any:
    """The peer's; None after an error, when OpenSSL counts the handshake as not done."""
    try:
        return made.getpeercert()
    except ValueError:
        return None


AFTER_HANDSHAKE: dict[str, Callable[[ssl.SSLObject], Any]] = {
    "ssl_object": lambda made: made,
    "peercert": _certificate_of,
    "cipher": lambda made: made.cipher(),
    "compression": lambda made: made.compression(),
}
"""What `get_extra_info` tells of TLS, by name."""


def reads_of(
    protocol: asyncio.BaseProtocol, memory: memoryview
) -> tuple[Callable[[int], Any], Callable[[int], None]]:
    """``get_buffer`` and ``buffer_updated`` of *protocol*; *memory* is for one without."""
    if isinstance(protocol, asyncio.BufferedProtocol):
        return protocol.get_buffer, protocol.buffer_updated
    receive = cast("asyncio.Protocol", protocol).data_received
    return (lambda sizehint: memory), (lambda nbytes: receive(bytes(memory[:nbytes])))


def settle(waiter: asyncio.Future[None], error: BaseException | None = None) -> None:
    """Tell *waiter* that it was done, or of an *error*, unless it has given up."""
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
        waiter.exception()  # whoever waited for it may be cancelled just now


def shake_hands(ssl_object: ssl.SSLObject, records: TLSRecords) -> bool:
    """Go on with the handshake by what *records* have got; return whether it is done.

    They are busy meanwhile: callbacks of the context may run the loop, and OpenSSL would crash if
    it was called within. Raises ssl.SSLError.
    """
    records.keep()
    records.busy = True
    try:
        while True:
            with suppress(SSLWantReadError):
                ssl_object.do_handshake()
                return True
            if not records.feed():
                return False
    finally:
        records.busy = False


def ignore(anything: object) -> None:
    """Take the place of a method once the connection has ended."""


def drop_input(records: TLSRecords) -> None:
    """Read what has come, and forget it."""
    scratch = memoryview(bytearray(TLS_PLAINTEXT))
    # It is broken, or it is more than messages, which OpenSSL does not read after our end.
    with suppress(OSError):
        while records.has_input() and not records.ended:
            records.decrypt(scratch)
    records.drop_input()
