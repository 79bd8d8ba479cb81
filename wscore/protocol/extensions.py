"""Extensions: how they are negotiated, and what they do to messages (RFC 6455 9, RFC 7692 5, 6).

`wscore.deflate` has the one that everybody speaks; others are made by deriving from `Extension`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..errors import NegotiationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .headers import ExtensionHeader

__all__ = ["Agreement", "Extension", "ExtensionParams", "MessageCodec", "confirm", "negotiate"]

# Parameters in order; None is the value of one that has none.
ExtensionParams: TypeAlias = "list[tuple[str, str | None]]"


class MessageCodec:
    """What an agreed extension does to the messages of one connection.

    A message that went through it is marked with RSV1, others travel as they are (RFC 7692 6).
    Calls for one direction come one after another and in the order of the messages, though not
    always from the same thread; the two directions may run at once.
    """

    threshold = 0
    """Bytes: smaller messages are not encoded unless the application asks for it."""

    concurrency = 10
    """How many large messages of one event loop are worked on at once, on other threads."""

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        """Return what to send for *payload*, a message or one fragment of it."""
        raise NotImplementedError

    def decode(self, payload: bytes, fin: bool, limit: int | None) -> Iterable[bytes]:
        """Return, piece by piece, what the peer encoded as *payload*, a message or a fragment.

        Pieces are small, so that whoever iterates stays in control of memory and of time. Raises
        PayloadTooBig as soon as all pieces together exceed *limit* bytes, ProtocolError for what
        cannot be decoded.
        """
        raise NotImplementedError


class Extension:
    """Something that client and server can agree on. One object serves many connections."""

    name: str
    """The registered token, as in Sec-WebSocket-Extensions."""

    def offers(self) -> list[ExtensionParams]:
        """For a client: the variants to offer, the preferred one first."""
        raise NotImplementedError

    def accept(self, offer: ExtensionParams) -> tuple[ExtensionParams, MessageCodec | None] | None:
        """For a server: answer one offer, or decline it with None, and the next one is tried.

        Returns the parameters of the answer, and what is done to messages, None for nothing. When
        something is wrong with what a client offers, its offers may be gone through twice.
        """
        raise NotImplementedError

    def confirm(self, answer: ExtensionParams) -> MessageCodec | None:
        """For a client: take the server's answer. Raises NegotiationError when it is not legal."""
        raise NotImplementedError


class Agreement(NamedTuple):
    """What was negotiated: the header's elements, and what becomes of messages."""

    headers: list[ExtensionHeader]
    codec: MessageCodec | None


def negotiate(offered: Iterable[ExtensionHeader], available: Sequence[Extension]) -> Agreement:
    """Choose for a server: offers in the client's order, each extension once.

    Two extensions cannot both own RSV1, so offers of a second one with a codec are declined.
    """
    by_name = {extension.name: extension for extension in available}
    headers: list[ExtensionHeader] = []
    codec: MessageCodec | None = None
    for name, params in offered:
        extension = by_name.get(name)
        answer = None if extension is None else extension.accept(params)
        if answer is None or (codec is not None and answer[1] is not None):
            continue
        headers.append((name, answer[0]))
        codec = codec or answer[1]
        del by_name[name]
    return Agreement(headers, codec)


def confirm(chosen: Iterable[ExtensionHeader], offered: Sequence[Extension]) -> Agreement:
    """Take a server's choice for a client.

    Raises NegotiationError: not offered, chosen twice, not legal, or two that both own RSV1.
    """
    by_name = {extension.name: extension for extension in offered}
    agreed = Agreement(list(chosen), None)
    for name, params in agreed.headers:
        extension = by_name.pop(name, None)
        if extension is None:
            raise NegotiationError(f"extension {name[:100]!r} was not offered, or is there twice")
        codec = extension.confirm(params)
        if codec is not None:
            if agreed.codec is not None:
                raise NegotiationError("two extensions that both encode messages")
            agreed = agreed._replace(codec=codec)
    return agreed
