"""The connection that publications come through, as cheap for each as Python allows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import hiredis

from .wire import Wire, pack, pieces

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Subscriber"]

logger = logging.getLogger("wscore.hub")


class Subscriber(Wire):
    """Subscribes channels by name, and hands on what is published in them.

    *names* has the channels as Redis knows them, each with what *on_message* gets in its place;
    what comes in others goes to *on_other*. *on_answer* gets each acknowledgement: whether it is
    one of SUBSCRIBE, and the channel. *sharded* is for the channels of a cluster.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        names: Mapping[bytes, str],
        *,
        on_message: Callable[[str, bytes], object],
        on_other: Callable[[bytes, bytes], object],
        on_answer: Callable[[bool, bytes], object],
        sharded: bool = False,
    ) -> None:
        super().__init__(loop)
        self._names = names
        self._on_message, self._on_other, self._on_answer = on_message, on_other, on_answer
        sign = b"s" if sharded else b""
        self._message = sign + b"message"
        self._subscribed, self._unsubscribed = sign + b"subscribe", sign + b"unsubscribe"

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete."""
        self.heard = True
        for piece in pieces(data):
            if self.is_cut:
                return
            self._take_piece(piece)

    def _take_piece(self, piece: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(piece)
        except hiredis.HiredisError as error:
            self.not_redis(error)
        while not self.is_cut:
            try:
                if self._take_all(reader):
                    return
            except hiredis.HiredisError as error:
                self.not_redis(error)
            except Exception:
                # A fault of ours must not end the link, nor what comes behind it.
                logger.exception("a message from Redis could not be handled")

    def _take_all(self, reader: hiredis.Reader) -> bool:
        """One tight loop, until nothing complete is left."""
        gets, find, on_message, message = (
            reader.gets, self._names.get, self._on_message, self._message
        )  # fmt: skip
        while True:
            answer = gets()
            if type(answer) is list and len(answer) == 3:
                kind, channel, payload = answer
                if kind == message:
                    name = find(channel)
                    if name is not None:
                        on_message(name, payload)
                        continue
                    self._on_other(channel, payload)
                elif kind == self._subscribed or kind == self._unsubscribed:
                    self._on_answer(kind == self._subscribed, channel)
            elif answer is False:
                return True
            elif isinstance(answer, hiredis.ReplyError) or self.take != self.unexpected:
                self.take(answer)
            if self.is_cut:
                return True

    def subscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for *channels*, which must be some."""
        self.write(pack((self._subscribed, *channels)))

    def unsubscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for *channels* no more."""
        self.write(pack((self._unsubscribed, *channels)))
