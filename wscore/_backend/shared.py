"""A message that many get, and the frames in which they get it: the twin of `shared.pxi`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .primitives import encode_frame
from .rules import LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .channel import Channel


class SharedMessage:
    """A message that many get: its payload in UTF-8 or binary, and what codecs made of it.

    ``channel`` is None if it was published in none.
    """

    __slots__ = {
        "_encoded": None,
        "_order": None,
        "channel": "Channel or None: where it was published.",
        "opcode": "int: 1 for text, 2 for binary.",
        "payload": "bytes: the message.",
    }

    def __init__(self, opcode: int, payload: bytes, channel: Channel | None = None) -> None:
        self.opcode = opcode
        self.payload = payload
        self.channel = channel
        # Among the messages of all channels.
        self._order = 0
        # What codecs made of it, by what they share.
        self._encoded: dict[Any, bytes] | None = None

    def encoded_for(self, codec: Any) -> bytes | None:
        """What *codec* makes of it, once for all codecs that share; None if it is sent plain."""
        if not codec.threshold <= len(self.payload) <= LARGE:
            return None
        if self._encoded is None:
            self._encoded = {}
        found = self._encoded.get(codec.sharing)
        if found is None:
            found = self._encoded[codec.sharing] = codec.encode_shared(self.payload)
        return found


class Batch(NamedTuple):
    """The frames of a pass, as members of one kind get them."""

    frames: bytes
    encoded: bool  # whether any is
    messages: int


def batch_of(messages: Sequence[SharedMessage], codec: Any) -> Batch:
    """What a member with *codec*, or without one, gets of *messages*."""
    frames = [_frame(message, codec) for message in messages]
    joined = b"".join([frame for frame, _ in frames])
    return Batch(joined, any(encoded for _, encoded in frames), len(frames))


def _frame(message: SharedMessage, codec: Any) -> tuple[bytes, bool]:
    """A frame, and whether it is encoded."""
    encoded = None if codec is None else message.encoded_for(codec)
    payload = message.payload if encoded is None else encoded
    return encode_frame(message.opcode, payload, rsv1=encoded is not None), encoded is not None
