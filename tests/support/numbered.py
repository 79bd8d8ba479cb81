"""An extension for tests: messages carry a number, so that what comes out of order is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from wscore.errors import PayloadTooBig, ProtocolError
from wscore.protocol.extensions import Extension, MessageCodec

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1000
_FLIP = bytes(255 - value for value in range(256))


class NumberedCodec(MessageCodec):
    """Flips all bits and puts four bytes in front of each fragment: how many went before.

    Each byte that is encoded stands for *swell* bytes once it is decoded.
    """

    def __init__(self, threshold: int = 0, swell: int = 1) -> None:
        self.threshold = threshold
        self.swell = swell
        self.encoded = self.decoded = 0
        self.threads: set[str] = set()
        # Cleared by a test that wants to see what happens meanwhile.
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        self._work()
        self.encoded += 1
        return self.encoded.to_bytes(4, "big") + payload.translate(_FLIP)

    def decode(self, payload: bytes, fin: bool, limit: int | None) -> Iterator[bytes]:
        self.decoded += 1
        if int.from_bytes(payload[:4], "big") != self.decoded:
            raise ProtocolError("message out of order", 1007)
        data = payload[4:].translate(_FLIP) * self.swell
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            if limit is not None:
                limit -= len(piece)
                if limit < 0:
                    raise PayloadTooBig("message of more bytes than allowed")
            if start > 65536:
                self._work()
            yield piece

    def _work(self) -> None:
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(20), "a test forgot to let the codec go on"


class Numbered(Extension):
    """Offers, accepts and confirms one codec after another; ``codecs`` has them all."""

    name = "x-numbered"

    def __init__(self, threshold: int = 0, swell: int = 1) -> None:
        self.threshold, self.swell = threshold, swell
        self.codecs: list[NumberedCodec] = []

    def offers(self) -> list[list[tuple[str, str | None]]]:
        return [[]]

    def accept(
        self, offer: list[tuple[str, str | None]]
    ) -> tuple[list[tuple[str, str | None]], MessageCodec | None] | None:
        return None if offer else ([], self._codec())

    def confirm(self, answer: list[tuple[str, str | None]]) -> MessageCodec | None:
        return self._codec()

    def _codec(self) -> NumberedCodec:
        self.codecs.append(NumberedCodec(self.threshold, self.swell))
        return self.codecs[-1]
