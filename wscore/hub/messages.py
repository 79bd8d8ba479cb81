"""What callers of `Hub.publish` pass, checked and made into what goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, cast

from .._backend import is_utf8
from ..codes import Opcode
from ..protocol.checks import check_kind, mismatch
from ..protocol.connection import as_bytes
from .broker import Encoded
from .members import SupportsAsgi, find_member
from .settings import check_room

if TYPE_CHECKING:
    from .._backend import FrameWriter
    from .._types import Buffer
    from .members import Member

__all__ = ["PublishCall", "as_encoded", "prepare", "writers_of"]


class PublishCall(NamedTuple):
    """A call of `Hub.publish` whose arguments were checked; nothing in it changes any more."""

    room: str
    encoded: Encoded
    excluded: tuple[FrameWriter, ...]
    sender: str | None

    @property
    def message(self) -> str | bytes:
        opcode, payload = self.encoded
        return payload.decode() if opcode == Opcode.TEXT else payload


def prepare(
    room: str,
    message: str | Buffer,
    exclude: Member | Iterable[Member] | None,
    text: bool | None,
    sender: str | None,
) -> PublishCall:
    """Check the arguments of `Hub.publish`. Raises TypeError, ValueError."""
    check_room(room)
    if text is None and type(message) is bytes:
        encoded = Encoded(Opcode.BINARY, message)  # there is nothing to check
    else:
        encoded = as_encoded(message, text)
    check_kind("sender", sender, str, "a str", optional=True)
    return PublishCall(room, encoded, () if exclude is None else writers_of(exclude), sender)


def as_encoded(message: str | Buffer, text: bool | None = None) -> Encoded:
    """What goes to sockets for *message*.

    Raises TypeError, and ValueError for text that has no UTF-8, or is none.
    """
    check_kind("text", text, bool, "a bool", optional=True)
    try:
        payload = as_bytes(message)
    except TypeError:
        raise TypeError(mismatch("message", "a str or bytes", message)) from None
    if not (isinstance(message, str) if text is None else text):
        return Encoded(Opcode.BINARY, payload)
    # All members would close their connections over it.
    if not isinstance(message, str) and not is_utf8(payload):
        raise ValueError("a message that is sent as text must be UTF-8")
    return Encoded(Opcode.TEXT, payload)


def writers_of(exclude: Member | Iterable[Member]) -> tuple[FrameWriter, ...]:
    """The writers of the connections that are to be left out. Raises TypeError."""
    member = find_member(exclude)
    if member is not None:
        return (member._writer,)
    if isinstance(exclude, SupportsAsgi):
        return ()  # it never was a member
    expected = "a connection or an iterable of them"
    check_kind("exclude", exclude, Iterable, f"{expected} or None")
    found = []
    for one in tuple(cast("Iterable[Member]", exclude)):
        member = find_member(one)
        if member is not None:
            found.append(member._writer)
        elif not isinstance(one, SupportsAsgi):
            raise TypeError(mismatch("exclude", f"{expected} or None", one))
    return tuple(found)
