"""permessage-deflate (RFC 7692): negotiation, and the codec of one connection."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from .errors import NegotiationError, PayloadTooBig, ProtocolError
from .extensions import Extension, MessageCodec
from .frames import CloseCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .extensions import ExtensionParams

__all__ = ["DeflateCodec", "PerMessageDeflate"]

_TAIL = b"\x00\x00\xff\xff"
_is_bits = re.compile(r"[89]|1[0-5]").fullmatch
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")


class PerMessageDeflate(Extension):
    name = "permessage-deflate"

    def __init__(
        self,
        *,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = 12,
        client_max_window_bits: int | None = 12,
        level: int = -1,
        mem_level: int = 5,
        threshold: int = 1024,
        chunk_size: int = 65536,
    ) -> None:
        self.server_no = server_no_context_takeover
        self.client_no = client_no_context_takeover
        self.server_bits = server_max_window_bits or 15
        self.client_bits = client_max_window_bits or 15
        self.level = level
        self.mem_level = mem_level
        self.threshold = threshold
        self.chunk_size = chunk_size

    def offers(self) -> list[ExtensionParams]:
        base: ExtensionParams = [("client_max_window_bits", None)]
        if self.server_no:
            base.append(("server_no_context_takeover", None))
        if self.client_no:
            base.append(("client_no_context_takeover", None))
        if self.server_bits < 15:
            return [[*base, ("server_max_window_bits", str(self.server_bits))], base]
        return [base]

    def accept(self, offer: ExtensionParams) -> tuple[ExtensionParams, MessageCodec | None] | None:
        params = _parse(offer)
        if params is None:
            return None
        answer: ExtensionParams = []
        server_no = self.server_no or "server_no_context_takeover" in params
        client_no = self.client_no or "client_no_context_takeover" in params
        asked = params.get("server_max_window_bits")
        if "server_max_window_bits" in params and asked is None:
            return None
        bits = min(self.server_bits, asked or 15)
        if bits < 9:
            return None
        if server_no:
            answer.append(("server_no_context_takeover", None))
        if client_no:
            answer.append(("client_no_context_takeover", None))
        if bits < 15:
            answer.append(("server_max_window_bits", str(bits)))
        client_bits = 15
        if "client_max_window_bits" in params:
            client_bits = min(self.client_bits, params["client_max_window_bits"] or 15)
            if client_bits < 15:
                answer.append(("client_max_window_bits", str(client_bits)))
        return answer, DeflateCodec(self, bits, server_no, client_bits, client_no)

    def confirm(self, answer: ExtensionParams) -> MessageCodec:
        params = _parse(answer)
        if params is None or None in [params.get(n, 1) for n in ("server_max_window_bits", "client_max_window_bits")]:
            raise NegotiationError("malformed permessage-deflate answer")
        out = min(self.client_bits, params.get("client_max_window_bits") or 15)
        if out < 9:
            raise NegotiationError("client_max_window_bits")
        into = params.get("server_max_window_bits") or 15
        if self.server_no and "server_no_context_takeover" not in params:
            raise NegotiationError("server_no_context_takeover was asked for")
        return DeflateCodec(
            self, out, self.client_no or "client_no_context_takeover" in params,
            into, "server_no_context_takeover" in params,
        )


def _parse(params: ExtensionParams) -> dict[str, int | None] | None:
    parsed: dict[str, int | None] = {}
    for name, value in params:
        if name in parsed:
            return None
        if name in _FLAGS and value is None:
            parsed[name] = None
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            if value is not None and not _is_bits(value):
                return None
            parsed[name] = None if value is None else int(value)
        else:
            return None
    return parsed


class DeflateCodec(MessageCodec):
    __slots__ = ("ext", "out_bits", "out_no", "in_bits", "in_no", "deflater", "inflater", "history")

    def __init__(self, ext, out_bits, out_no, in_bits, in_no):  # type: ignore[no-untyped-def]
        self.ext = ext
        self.out_bits, self.out_no, self.in_bits, self.in_no = out_bits, out_no, in_bits, in_no
        self.deflater = self.inflater = None
        self.history = b""

    @property
    def threshold(self) -> int:
        return self.ext.threshold

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        z = self.deflater
        if z is None:
            z = self.deflater = zlib.compressobj(self.ext.level, zlib.DEFLATED, -self.out_bits, self.ext.mem_level)
        data = z.compress(payload) + z.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return data
        if self.out_no:
            self.deflater = None
        return data[:-4] if data.endswith(_TAIL) and len(data) > 4 else (data[:-4] or b"\x00")

    def decode(self, payload: bytes, fin: bool, limit: int | None) -> Iterator[bytes]:
        z = self.inflater
        if z is None:
            z = self.inflater = zlib.decompressobj(-self.in_bits)
        data = payload + _TAIL if fin else payload
        try:
            while True:
                piece = z.decompress(data, self.ext.chunk_size)
                if piece:
                    if limit is not None:
                        limit -= len(piece)
                        if limit < 0:
                            raise PayloadTooBig("message inflates to more than allowed")
                    self.history = (self.history + piece)[-(1 << self.in_bits):] if not self.in_no else b""
                    yield piece
                if z.eof:
                    data = z.unused_data
                    z = self.inflater = zlib.decompressobj(-self.in_bits, zdict=self.history) if self.history else zlib.decompressobj(-self.in_bits)
                    if not data or data == _TAIL:
                        break
                    continue
                data = z.unconsumed_tail
                if not data and len(piece) < self.ext.chunk_size:
                    break
        except zlib.error:
            raise ProtocolError("cannot inflate", CloseCode.INVALID_DATA) from None
        if fin and self.in_no:
            self.inflater = None
            self.history = b""
