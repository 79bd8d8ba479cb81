"""The load with permessage-deflate: frames are compressed beforehand, echoes inflated afterwards.

So no compression is timed but the server's. The programs in C only send and count.
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contract import Refused
from ..oracle import frame, keys, messages
from ..servers import Deflate
from .messages import documents
from .programs import run

__all__ = [
    "Stream",
    "StreamFigures",
    "Talk",
    "bounded_offer",
    "frames",
    "hold_to_window",
    "inflated",
    "records",
    "stream",
]

RSV1_TEXT = 0x41
TAIL = b"\x00\x00\xff\xff"  # not sent (RFC 7692 7.2.1)
NAME = "permessage-deflate"
BROWSERS_OFFER = f"{NAME}; client_max_window_bits"
MOST_LOAD = 0.8  # of a core: beyond it is the load that is measured
PATIENCE = 30  # seconds beyond those that a measurement takes by itself


@dataclass(frozen=True)
class Stream:
    """Each connection has one of *texts* documents of *size* bytes under way, and then the next.

    Both sides compress as *deflate* says and take their contexts over. With *pulse* one more
    connection sends 64 B every so many seconds, and the latencies are those of its messages.
    """

    connections: int
    texts: int
    size: int
    deflate: Deflate
    pulse: float = 0.0

    @property
    def offer(self) -> str:
        """For windows that both sides can hold to."""
        return bounded_offer(self.deflate)


@dataclass(frozen=True)
class StreamFigures:
    """Seconds for a message, on the clock and of the server's CPU; latencies; echo on the wire.

    ``wire`` is in bytes for a message. ``load`` is the part of a core that the load used.
    """

    seconds: float
    cpu: float
    p50: float
    p99: float
    wire: float
    load: float


def stream(load: Stream, port: int, server: int, seconds: float) -> tuple[StreamFigures, str]:
    """Load the echo server with process id *server*; return figures and what was agreed on.

    Raises Refused when an echo is wrong or does not come, when the server does not keep to the
    window or does not take its context over, and when the load was too busy to load it.
    """
    texts = documents(load.texts, load.size)
    with TemporaryDirectory(prefix="frames-load-") as directory:
        sent, echoes = Path(directory, "frames"), Path(directory, "echoes")
        sent.write_bytes(b"".join(frames(texts, load.deflate)))
        arguments = (port, load.connections, seconds, server, load.offer, sent, echoes, load.pulse)
        found = run("frames_load", *arguments, timeout=PATIENCE + 2 * seconds)
        agreed = str(found.pop("agreed"))
        hold_to_window(agreed, load.deflate)
        _refuse_forgetting(agreed)
        _check(echoes.read_bytes(), texts, load)
    figures = StreamFigures(1 / found.pop("messages_per_second"), **found)
    if figures.load > MOST_LOAD:
        raise Refused(f"the load used {figures.load:.0%} of its core")
    return figures, agreed


def bounded_offer(deflate: Deflate) -> str:
    """An offer of permessage-deflate with windows that both sides can hold to."""
    window = deflate.window
    return f"{NAME}; server_max_window_bits={window}; client_max_window_bits={window}"


@cache
def frames(texts: Sequence[bytes], deflate: Deflate) -> list[bytes]:
    """Masked frames of *texts*, for one connection to send in turn, over and over.

    Before them stands the last text once more, to be sent first. Each text refers to the one
    before, as context takeover has it, but to nothing older: so its frame is right in every lap. A
    lone text refers to nothing and is sent again and again. Raises ValueError for texts that are
    shorter than the window.
    """
    if len(texts) == 1:
        return [_masked(_compress(texts[0], deflate), 0)]
    if deflate.window is None or min(map(len, texts)) < 1 << deflate.window:
        raise ValueError("a text is shorter than the window: older ones are within its reach")
    pairs = zip(order(texts), (b"", *order(texts)), strict=False)
    return [
        _masked(_compress(text, deflate, before), number)
        for number, (text, before) in enumerate(pairs)
    ]


def order(texts: Sequence[bytes]) -> list[bytes]:
    """What is sent in the first lap."""
    return list(texts) if len(texts) == 1 else [texts[-1], *texts]


def _compress(text: bytes, deflate: Deflate, before: bytes = b"") -> bytes:
    settings = (deflate.level or -1, zlib.DEFLATED, -(deflate.window or 15), deflate.mem_level or 8)
    compressor = (
        zlib.compressobj(*settings, zdict=before) if before else zlib.compressobj(*settings)
    )
    data = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(TAIL)


def _masked(payload: bytes, number: int) -> bytes:
    return frame(payload, keys(number).randbytes(4), RSV1_TEXT)


# What came back


def hold_to_window(agreed: str, deflate: Deflate) -> None:
    """Raise Refused unless the server compresses for the window that was offered."""
    parameters = _parameters(agreed)
    if NAME not in parameters or f"server_max_window_bits={deflate.window}" not in parameters:
        raise Refused(f"the server does not keep to the window: it agreed on {agreed}")


def _parameters(agreed: str) -> set[str]:
    return {parameter.strip() for parameter in agreed.split(";")}


def _refuse_forgetting(agreed: str) -> None:
    parameters = _parameters(agreed)
    if forgets := [name for name in parameters if name.endswith("no_context_takeover")]:
        raise Refused(f"the server wants {' and '.join(forgets)}")


def _check(written: bytes, texts: Sequence[bytes], load: Stream) -> None:
    """The first lap of all connections: each has one context from its first to its last message."""
    payloads: defaultdict[int, list[bytes]] = defaultdict(list)
    for number, payload in records(written):
        payloads[number].append(payload)
    if payloads.keys() != set(range(load.connections)):
        raise Refused(f"{len(payloads)} of {load.connections} connections had an echo")
    for echoes in payloads.values():
        if list(inflated(echoes, load.deflate.window or zlib.MAX_WBITS)) != order(texts):
            raise Refused("the echo is not what was sent")


def records(written: bytes) -> Iterator[tuple[int, bytes]]:
    """The connections and payloads that a program in C wrote down."""
    at = 0
    while at < len(written):
        number, size = struct.unpack_from("=II", written, at)
        at += 8 + size
        yield number, written[at - size : at]


def inflated(payloads: Iterable[bytes], window: int) -> Iterator[bytes]:
    """The messages of one connection, from its first on. Raises Refused."""
    inflater = zlib.decompressobj(-window)
    for payload in payloads:
        try:
            yield inflater.decompress(payload + TAIL)
        except zlib.error as error:
            raise Refused(f"the echo does not inflate: {error}") from None


# One message on each of many connections


@dataclass(frozen=True)
class Talk:
    """A JSON document of *size* bytes, sent *compressed* or plain, where a browser's offer is made.

    The server compresses the echo as it thinks best, unless it has to be *echo_compressed*.
    """

    size: int
    compressed: bool
    echo_compressed: bool = False
    offer: str = BROWSERS_OFFER

    def frame(self) -> bytes:
        """The masked frame that every connection sends."""
        if self.compressed:
            # A window that lies within whatever the server answers.
            return _masked(_compress(self._text(), Deflate(6, 8, 9)), 0)
        return frame(self._text(), keys(0).randbytes(4))

    def check(self, written: bytes, count: int) -> None:
        """Raise Refused unless *written* holds the frames of *count* right echoes."""
        echoes = messages(written)
        if len(echoes) != count:
            raise Refused(f"{len(echoes)} of {count} echoes came")
        for payload in echoes:
            plain = payload == self._text()
            if not plain and list(inflated([payload], zlib.MAX_WBITS)) != [self._text()]:
                raise Refused("the echo is not what was sent")
            if plain and self.echo_compressed:
                raise Refused(f"an echo of {self.size} B came uncompressed")

    def _text(self) -> bytes:
        return documents(1, self.size)[0]
