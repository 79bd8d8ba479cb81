"""Extensions: their negotiation, and how they encode messages (RFC 6455 9, RFC 7692 5, 6).

`wscore.deflate` implements permessage-deflate. Derive from `Extension` to write another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..errors import NegotiationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from .headers import ExtensionHeader

__all__ = ["Agreement", "Extension", "ExtensionParams", "MessageCodec", "confirm", "negotiate"]

ExtensionParams: TypeAlias = "list[tuple[str, str | None]]"
"""Parameters in order. A parameter without a value has None."""


class MessageCodec:
    """Encodes and decodes the messages of one connection for a negotiated extension.

    Encoded messages are marked with RSV1; others are sent unchanged (RFC 7692 6). Calls for one
    direction are made one after another, in the order of the messages, but not always from the
    same thread. Calls for different directions may run at the same time.
    """

    threshold = 0
    """In bytes: smaller messages are not encoded unless the application requests it."""

    concurrency = 10
    """How many large messages of one event loop are processed at once, on other threads."""

    sharing: Hashable | None = None
    """Codecs whose `sharing` is equal can send their peers the same encoded message; None: not."""

    def encode_shared(self, payload: bytes) -> bytes:
        """Encode *payload*, a message, so that it refers to no other: see `sharing`.

        Where one was sent, `forget` is called before the next message is encoded.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Have the next message refer to none before it: the peer got one that was shared."""
        raise NotImplementedError

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        """Encode *payload*, a message or one fragment of it; *fin* marks the last fragment."""
        raise NotImplementedError

    def decode(self, payload: bytes, fin: bool, limit: int | None) -> Iterable[bytes]:
        """Decode *payload*, a message or one fragment of it, into pieces.

        Pieces are small, so that the caller controls memory and time. Raises PayloadTooBig as
        soon as all pieces together exceed *limit* bytes, and ProtocolError for invalid data.
        """
        raise NotImplementedError


class Extension:
    """An extension that client and server can negotiate. One object serves many connections."""

    name: str
    """The registered token, as used in Sec-WebSocket-Extensions."""

    def offers(self) -> list[ExtensionParams]:
        """For clients: return the parameters of each variant to offer, the preferred one first."""
        raise NotImplementedError

    def accept(self, offer: ExtensionParams) -> tuple[ExtensionParams, MessageCodec | None] | None:
        """For servers: accept one offer, or return None to decline it and try the next one.

        Returns the parameters of the answer, and a codec for messages, or None for no codec. If a
        client's offers are invalid, they may be processed twice.
        """
        raise NotImplementedError

    def confirm(self, answer: ExtensionParams) -> MessageCodec | None:
        """For clients: return the codec for the server's answer, or None for no codec.

        Raises NegotiationError if the answer is not legal.
        """
        raise NotImplementedError


class Agreement(NamedTuple):
    """What was negotiated: the elements of the header, and the codec for messages, if any."""

    headers: list[ExtensionHeader]
    codec: MessageCodec | None


def negotiate(offered: Iterable[ExtensionHeader], available: Sequence[Extension]) -> Agreement:
    """For servers: try offers in the client's order and accept each extension once.

    Only one extension can use RSV1, so offers of a second one with a codec are declined.
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
    """For clients: check the server's choice.

    Raises NegotiationError: not offered, chosen twice, not legal, or two that use RSV1.
    """
    by_name = {extension.name: extension for extension in offered}
    agreed = Agreement(list(chosen), None)
    for name, params in agreed.headers:
        extension = by_name.pop(name, None)
        if extension is None:
            raise NegotiationError(f"extension {name[:100]!r} was not offered or chosen twice")
        codec = extension.confirm(params)
        if codec is not None:
            if agreed.codec is not None:
                raise NegotiationError("two extensions encode messages")
            agreed = agreed._replace(codec=codec)
    return agreed
