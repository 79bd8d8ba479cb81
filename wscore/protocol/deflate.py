"""permessage-deflate (RFC 7692): negotiation, compression and decompression."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..codes import CloseCode
from ..errors import NegotiationError, PayloadTooBig, ProtocolError
from .extensions import Extension, MessageCodec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .extensions import ExtensionParams

__all__ = ["DeflateCodec", "PerMessageDeflate"]

# The end of a flush, which is not sent (RFC 7692 7.2.1), and a block that is empty with it.
_TAIL = b"\x00\x00\xff\xff"
_EMPTY = b"\x00"
# The tail, and then a last block that is empty.
_ENDING = _TAIL + b"\x03\x00"

_BACKENDS = {"zlib": "zlib", "zlib-ng": "zlib_ng.zlib_ng", "isal": "isal.isal_zlib"}
_is_window_bits = re.compile(r"[89]|1[0-5]").fullmatch


class _Params(NamedTuple):
    """The parameters of RFC 7692 7.1; the size of a window is True where it has no value."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None

    @classmethod
    def parse(cls, params: ExtensionParams) -> _Params:
        """Raises ValueError for one that is unknown, there twice, or badly formed."""
        parsed: dict[str, Any] = {}
        for name, value in params:
            if name in parsed or name not in cls._fields:
                raise ValueError(f"parameter {name[:100]!r} is unknown or there twice")
            if name.endswith("_no_context_takeover"):
                legal = value is None
                parsed[name] = True
            else:
                # Only an offer of client_max_window_bits may have no value (RFC 7692 7.1.2).
                legal = name[0] == "c" if value is None else bool(_is_window_bits(value))
                parsed[name] = value is None or int(value) if legal else None
            if not legal:
                raise ValueError(f"{name}={str(value)[:100]} is not legal")
        return cls(**parsed)


class PerMessageDeflate(Extension):
    """permessage-deflate for either role; one object serves any number of connections.

    *server_max_window_bits* and *client_max_window_bits*, 9 to 15, bound the windows of the two
    directions: 2^n bytes, and some four times that for whoever compresses. None leaves a window to
    the other side. Without context takeover a direction forgets each message, and compresses worse
    but holds no memory in between.

    *level* (0 to 9, for isal 0 to 3; None for the library's own) and *mem_level* (1 to 9) are
    those of `zlib.compressobj`. Messages below *threshold* bytes are not compressed; what is
    inflated comes in pieces of *chunk_size* bytes. Messages above 64 KiB are worked on by other
    threads, *concurrency* at once. *backend* is ``"zlib"``, ``"zlib-ng"`` or ``"isal"``; the last
    two are extras of the distribution.

    Raises ValueError, and ImportError when the backend is not installed.
    """

    name = "permessage-deflate"

    def __init__(
        self,
        *,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = 12,
        client_max_window_bits: int | None = 12,
        level: int | None = None,
        mem_level: int = 5,
        threshold: int = 1024,
        chunk_size: int = 65536,
        concurrency: int = 10,
        backend: str = "zlib",
    ) -> None:
        for bits in (server_max_window_bits, client_max_window_bits):
            if bits is not None and not 9 <= bits <= 15:
                raise ValueError("the size of a window is 9 to 15 bits: zlib has no smaller one")
        if threshold < 0 or chunk_size < 1 or concurrency < 1:
            raise ValueError("threshold, chunk_size and concurrency are positive")
        self.wanted = _Params(
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        )
        self.threshold, self.chunk_size, self.concurrency = threshold, chunk_size, concurrency
        self._library = _load(backend)
        # What it raises for data that it cannot inflate.
        self.error: type[Exception] = self._library.error
        # Ends a message, and keeps the window for the next one.
        self.sync_flush: int = self._library.Z_SYNC_FLUSH
        self._level = self._library.Z_DEFAULT_COMPRESSION if level is None else level
        self._mem_level = mem_level
        most = 3 if backend == "isal" else 9
        if not (-1 <= self._level <= most and 1 <= mem_level <= 9):
            raise ValueError(f"level is 0 to {most} and mem_level is 1 to 9")
        # What `compress_alone` uses, by size of the window.
        self._shared: dict[int, Any] = {}
        # What codecs have in common that send the same, by size of the window.
        self._sharing: dict[int, object] = {}

    # Server

    def accept(self, offer: ExtensionParams) -> tuple[ExtensionParams, MessageCodec | None] | None:
        """Answer one offer (RFC 7692 7.1); None when it is malformed or asks for 8 bits of us."""
        try:
            asked = _Params.parse(offer)
        except ValueError:
            return None
        wanted = self.wanted
        answer: ExtensionParams = []
        forgets = asked.server_no_context_takeover or wanted.server_no_context_takeover
        if forgets:
            answer.append(("server_no_context_takeover", None))
        peer_forgets = asked.client_no_context_takeover or wanted.client_no_context_takeover
        if peer_forgets:
            answer.append(("client_no_context_takeover", None))
        bits = min(asked.server_max_window_bits or 15, wanted.server_max_window_bits or 15)
        if bits < 9:
            return None
        if asked.server_max_window_bits or bits < 15:
            answer.append(("server_max_window_bits", str(bits)))
        peer_bits = 15
        # Only a client that says so can limit its window (RFC 7692 7.1.2.2).
        if asked.client_max_window_bits is not None:
            named = asked.client_max_window_bits
            peer_bits = min(15 if named is True else named, wanted.client_max_window_bits or 15)
            if peer_bits < 15:
                answer.append(("client_max_window_bits", str(peer_bits)))
        return answer, DeflateCodec(self, bits, forgets, peer_bits, peer_forgets)

    # Client

    def offers(self) -> list[ExtensionParams]:
        """With the size of the server's window, and without, for servers that cannot limit it."""
        wanted = self.wanted
        common: ExtensionParams = []
        if wanted.server_no_context_takeover:
            common.append(("server_no_context_takeover", None))
        if wanted.client_no_context_takeover:
            common.append(("client_no_context_takeover", None))
        if wanted.client_max_window_bits is not None:
            value = wanted.client_max_window_bits
            common.append(("client_max_window_bits", None if value == 15 else str(value)))
        if wanted.server_max_window_bits is None:
            return [common]
        limited = [*common, ("server_max_window_bits", str(wanted.server_max_window_bits))]
        return [limited, common]

    def confirm(self, answer: ExtensionParams) -> MessageCodec:
        """Take the server's answer. Raises NegotiationError when it is not one to our offers.

        A server may ignore how small a window we offer to use (RFC 7692 7.1.2.2), and need not
        bound its own, since one of the offers does not ask for that.
        """
        try:
            agreed = _Params.parse(answer)
        except ValueError as error:
            raise NegotiationError(f"permessage-deflate: {error}") from None
        wanted = self.wanted
        if wanted.server_no_context_takeover and not agreed.server_no_context_takeover:
            raise NegotiationError("permessage-deflate: the server takes its context over")
        bits = agreed.client_max_window_bits
        if bits is True or (bits is not None and wanted.client_max_window_bits is None):
            raise NegotiationError("permessage-deflate: client_max_window_bits was not offered so")
        bits = min(bits or 15, wanted.client_max_window_bits or 15)
        if bits < 9:
            raise NegotiationError("permessage-deflate: zlib has no window of 8 bits")
        forgets = agreed.client_no_context_takeover or wanted.client_no_context_takeover
        peer_bits = agreed.server_max_window_bits or 15
        return DeflateCodec(self, bits, forgets, peer_bits, agreed.server_no_context_takeover)

    # For the codecs

    def sharing(self, bits: int) -> object:
        """What stands for all codecs with a window of so many *bits*."""
        return self._sharing.setdefault(bits, object())

    def new_compressor(self, bits: int) -> Any:
        library = self._library
        return library.compressobj(self._level, library.DEFLATED, -bits, self._mem_level)

    def compress_alone(self, bits: int, payload: bytes) -> bytes:
        """Return a message compressed that refers to no other; connections share a compressor.

        While one uses it nobody else has it. It is put back when the message is flushed in full,
        which also forgets the window; after an error it still holds a message that must not reach
        another connection, so it is dropped.
        """
        compressor = self._shared.pop(bits, None) or self.new_compressor(bits)
        data: bytes = compressor.compress(payload) + compressor.flush(self._library.Z_FULL_FLUSH)
        self._shared[bits] = compressor
        return data

    def new_inflater(self, bits: int, history: bytes = b"") -> Any:
        if history:
            return self._library.decompressobj(-bits, zdict=history)
        return self._library.decompressobj(-bits)


def _load(backend: str) -> Any:
    if backend not in _BACKENDS:
        raise ValueError(f"backend is one of {', '.join(_BACKENDS)}, not {backend!r}")
    try:
        return import_module(_BACKENDS[backend])
    except ImportError as error:
        advice = f"pip install 'wscore-engine[{backend}]'"
        if backend == "zlib":
            advice = "this Python was built without it"
        raise ImportError(f"{backend} is not installed: {advice}") from error


class DeflateCodec(MessageCodec):
    """Compresses and inflates for one connection; what that takes is made on first use.

    *bits* is our window and *forgets* says that we take no context over; *peer_bits* and
    *peer_forgets* are those of the other direction.
    """

    __slots__ = (
        "_bits",
        "_compressor",
        "_extension",
        "_forgets",
        "_history",
        "_inflater",
        "_peer_bits",
        "_peer_forgets",
        "concurrency",
        "sharing",
        "threshold",
    )

    def __init__(
        self,
        extension: PerMessageDeflate,
        bits: int,
        forgets: bool,
        peer_bits: int,
        peer_forgets: bool,
    ) -> None:
        self._extension = extension
        self._bits, self._forgets = bits, forgets
        self._peer_bits, self._peer_forgets = peer_bits, peer_forgets
        self.threshold, self.concurrency = extension.threshold, extension.concurrency
        self.sharing = extension.sharing(bits)
        self._compressor: Any = None
        # Only while a stream goes on in the next fragment. Each message has an inflater of its
        # own: 0.5 us with a window of 12 bits, for 12 KiB less of an idle connection.
        self._inflater: Any = None
        # The window: what was inflated last, and may be referred to.
        self._history = b""

    @property
    def parameters(self) -> tuple[bool, bool, int, int]:
        """What was agreed: whether the peer forgets, whether we do, its window and ours in bits."""
        return self._peer_forgets, self._forgets, self._peer_bits, self._bits

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        """Return *payload* compressed and flushed (RFC 7692 7.2.1)."""
        whole = fin and self._compressor is None
        if whole and not payload:
            return _EMPTY
        if whole and self._forgets:
            data = self._extension.compress_alone(self._bits, payload)
        else:
            data = self._compress(payload, fin)
        return _without_tail(data) if fin else data

    def encode_shared(self, payload: bytes) -> bytes:
        """Return *payload* compressed without a reference to any other message."""
        if not payload:
            return _EMPTY
        return _without_tail(self._extension.compress_alone(self._bits, payload))

    def forget(self) -> None:
        """Drop the compressor: the window of the peer is no longer what it has seen.

        The peer would inflate the next message to other bytes, and see no error.
        """
        self._compressor = None

    def _compress(self, payload: bytes, fin: bool) -> bytes:
        """Compress with our own compressor, and keep it unless the window is to be forgotten."""
        # Taken away meanwhile: after an error it holds remains that no other message may meet.
        compressor, self._compressor = self._compressor, None
        if compressor is None:
            compressor = self._extension.new_compressor(self._bits)
        data: bytes = compressor.compress(payload) + compressor.flush(self._extension.sync_flush)
        if not (fin and self._forgets):
            self._compressor = compressor
        return data

    def decode(self, payload: bytes, fin: bool, limit: int | None) -> Iterable[bytes]:
        """Return what *payload* inflates to, in pieces (RFC 7692 7.2.2).

        Raises PayloadTooBig beyond *limit* bytes, ProtocolError (1007) for what is no DEFLATE,
        and for what ends inside a block.
        """
        inflater, self._inflater = self._inflater, None
        if inflater is None:
            if not payload:
                # Not even the header of an empty block: the tail belongs to no block.
                self._remember(b"", fin)
                return ()
            inflater = self._new_inflater()
        most = self._extension.chunk_size
        if limit is not None and limit < most:
            most = limit + 1
        try:
            piece: bytes = inflater.decompress(payload, most)
            if len(piece) < most and not inflater.eof:
                # All of it, at once: nearly always.
                self._leave(inflater, fin)
                self._remember(piece, fin)
                return (piece,)
        except self._extension.error:
            raise _malformed() from None
        return self._inflate(inflater, piece, fin, limit)

    def _inflate(
        self, inflater: Any, piece: bytes, fin: bool, limit: int | None
    ) -> Iterator[bytes]:
        """Go on after *piece*, the first of several or one that ended its stream."""
        most = self._extension.chunk_size
        try:
            while True:
                if limit is not None:
                    limit -= len(piece)
                    if limit < 0:
                        raise PayloadTooBig("message inflates to more than max_size")
                self._remember(piece, False)
                yield piece
                if inflater.eof:
                    # BFINAL: another stream may follow and refer to this one (RFC 7692 7.2.3.4).
                    rest = inflater.unused_data
                    if not rest:
                        break
                    inflater = self._new_inflater()
                else:
                    rest = inflater.unconsumed_tail
                    if not rest and len(piece) < most:
                        self._leave(inflater, fin)
                        break
                piece = inflater.decompress(rest, most)
        except self._extension.error:
            raise _malformed() from None
        self._remember(b"", fin)

    def _new_inflater(self) -> Any:
        return self._extension.new_inflater(self._peer_bits, self._history)

    def _leave(self, inflater: Any, fin: bool) -> None:
        """Keep *inflater* for the next fragment, or give it the tail and see that it is at an end.

        A block that is cut short would take the tail for its own, or a part of the next message.
        """
        if not fin:
            self._inflater = inflater
        elif inflater.decompress(_ENDING, 1) or not inflater.eof or inflater.unused_data:
            raise _malformed()

    def _remember(self, piece: bytes, fin: bool) -> None:
        if fin and self._peer_forgets:
            self._history = b""
        elif piece:
            size = 1 << self._peer_bits
            if len(piece) < size:
                piece = self._history + piece
            self._history = piece[-size:]


def _without_tail(data: bytes) -> bytes:
    # A library may have nothing to add after a flush.
    return data[:-4] if data.endswith(_TAIL) else data + _EMPTY


def _malformed() -> ProtocolError:
    return ProtocolError("compressed message cannot be inflated", CloseCode.INVALID_DATA)
