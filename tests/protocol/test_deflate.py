"""permessage-deflate's codec: against zlib itself, other libraries, and what must not pass."""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.traced import tracemalloc

import wscore
from wscore import PayloadTooBig, ProtocolError
from wscore.protocol.deflate import DeflateCodec, PerMessageDeflate

TAIL = b"\x00\x00\xff\xff"
BACKENDS = ["zlib", "zlib-ng", "isal"]
JSON = json.dumps([{"id": i, "name": f"user {i * 7919 % 1000}"} for i in range(200)]).encode()
MESSAGES = [b"", b"a", b"Hello", JSON, b"Hello", JSON, bytes(100_000), b"", JSON[::-1]]


def codec(
    bits: int = 12, forgets: bool = False, peer: tuple[int, bool] = (12, False), **options: Any
) -> DeflateCodec:
    return DeflateCodec(PerMessageDeflate(**options), bits, forgets, *peer)


def decoded(receiver: DeflateCodec, payload: bytes, fin: bool = True, limit: Any = None) -> bytes:
    return b"".join(receiver.decode(payload, fin, limit))


def compressed(data: bytes, bits: int = 12, *, final: bool = False) -> bytes:
    """One message, by zlib: flushed, or with BFINAL and what has to follow that (7.2.3.4)."""
    compressor = zlib.compressobj(wbits=-bits)
    if final:
        return compressor.compress(data) + compressor.flush(zlib.Z_FINISH) + b"\x00"
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(payloads: list[bytes], *, takeover: bool) -> list[bytes]:
    """The oracle: what zlib makes of messages."""
    messages = []
    inflater = zlib.decompressobj(-15)
    for payload in payloads:
        if not takeover:
            inflater = zlib.decompressobj(-15)
        messages.append(inflater.decompress(payload + TAIL))
    return messages


# Out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("forgets", [False, True])
def test_zlib_reads_what_is_written(backend: str, bits: int, forgets: bool) -> None:
    sender = codec(bits, forgets, backend=backend)
    payloads = [sender.encode(message) for message in MESSAGES]
    assert inflated(payloads, takeover=not forgets) == MESSAGES
    assert all(not payload.endswith(TAIL) for payload in payloads)
    assert len(payloads[5]) < len(JSON) / 2
    if not forgets and bits > 12:
        assert len(payloads[5]) < len(payloads[3]) / 2, "the window is used"


def test_an_empty_message_is_one_byte() -> None:
    sender = codec()
    assert sender.encode(b"") == b"\x00"
    sender.encode(JSON)
    assert inflated([sender.encode(b"")], takeover=False) == [b""]


@pytest.mark.parametrize("forgets", [False, True])
def test_fragments_are_flushed_and_the_last_one_is_cut(forgets: bool) -> None:
    sender = codec(forgets=forgets)
    inflater = zlib.decompressobj(-12)
    for _ in range(2):
        if forgets:
            inflater = zlib.decompressobj(-12)
        first = sender.encode(b"He", False)
        assert inflater.decompress(first) == b"He", "a fragment can be read as it comes"
        rest = [sender.encode(b"", False), sender.encode(b"llo", False), sender.encode(b"")]
        assert inflater.decompress(b"".join(rest) + TAIL) == b"llo"


def test_one_compressor_serves_all_connections_that_forget() -> None:
    extension = PerMessageDeflate()
    senders = [DeflateCodec(extension, 12, True, 12, True) for _ in range(3)]
    payloads = [sender.encode(JSON) for sender in [*senders, *senders]]
    assert inflated(payloads, takeover=False) == [JSON] * 6, "none refers to another"
    assert len(set(payloads)) == 1
    assert all(sender._compressor is None for sender in senders)


def test_connections_on_many_threads_do_not_meet_in_the_compressor() -> None:
    extension = PerMessageDeflate()
    messages = [json.dumps([n] * 20_000).encode() for n in range(8)]

    def talk(message: bytes) -> list[bytes]:
        sender = DeflateCodec(extension, 12, True, 12, True)
        return [sender.encode(message) for _ in range(10)]

    with ThreadPoolExecutor(len(messages)) as threads:
        for message, payloads in zip(messages, threads.map(talk, messages), strict=True):
            assert inflated(payloads, takeover=False) == [message] * 10


class Exhausted:
    """A compressor that took the data, and then had no memory to flush it."""

    def __init__(self, compressor: Any) -> None:
        self.compress = compressor.compress

    def flush(self, mode: int) -> bytes:
        raise MemoryError


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("fin", [False, True])
def test_nothing_of_a_message_that_failed_is_in_the_next_one(
    monkeypatch: pytest.MonkeyPatch, forgets: bool, fin: bool
) -> None:
    extension = PerMessageDeflate()
    sender, other = [DeflateCodec(extension, 12, forgets, 12, forgets) for _ in range(2)]
    real = extension.new_compressor
    with monkeypatch.context() as patch:
        patch.setattr(extension, "new_compressor", lambda bits: Exhausted(real(bits)))
        with pytest.raises(MemoryError):
            sender.encode(b"a secret", fin)
    for each in (sender, other):
        assert inflated([each.encode(JSON)], takeover=False) == [JSON]


# In --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("chunk_size", [1, 7, 65536])
@pytest.mark.parametrize("forgets", [False, True])
def test_what_zlib_writes_is_read(backend: str, chunk_size: int, forgets: bool) -> None:
    messages = [message[: 3000 * chunk_size] for message in MESSAGES]
    receiver = codec(peer=(12, forgets), backend=backend, chunk_size=chunk_size)
    compressor = zlib.compressobj(wbits=-12)
    for message in messages:
        if forgets:
            compressor = zlib.compressobj(wbits=-12)
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        pieces = list(receiver.decode(data[:-4] if data else b"\x00", True, None))
        assert b"".join(pieces) == message
        assert all(len(piece) <= chunk_size for piece in pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 10_000])
@pytest.mark.parametrize("final", [False, True])
def test_a_payload_may_be_cut_anywhere(size: int, final: bool) -> None:
    receiver = codec()
    for message in (JSON, b"Hello", JSON):
        payload = compressed(message, final=final)
        cut = [payload[start : start + size] for start in range(0, len(payload), size)]
        assert b"".join(decoded(receiver, piece, False) for piece in cut) == message
        assert decoded(receiver, b"", True) == b""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("final", [False, True])
def test_every_way_to_cut_a_payload_in_three(backend: str, final: bool) -> None:
    receiver = codec(backend=backend)
    payload = compressed(b"Hello, Hello", final=final)
    for first in range(len(payload) + 1):
        for second in range(first, len(payload) + 1):
            opening = [payload[:first], payload[first:second]]
            fragments = [decoded(receiver, part, False) for part in opening]
            fragments.append(decoded(receiver, payload[second:], True))
            assert b"".join(fragments) == b"Hello, Hello"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_that_ended_is_followed_by_another(backend: str) -> None:
    receiver = codec(backend=backend)
    for _ in range(3):
        assert decoded(receiver, compressed(b"Hello", final=True)) == b"Hello"
        assert decoded(receiver, compressed(b"Hello")) == b"Hello"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ends", [b"\x00", b""])
def test_the_window_outlives_a_stream_that_ended(backend: str, ends: bytes) -> None:
    receiver = codec(backend=backend)
    history = b"the quick brown fox jumps over the lazy dog"
    compressor = zlib.compressobj(wbits=-12)
    first = compressor.compress(history) + compressor.flush(zlib.Z_FINISH) + ends
    assert decoded(receiver, first) == history
    second = zlib.compressobj(wbits=-12, zdict=history)
    payload = (second.compress(history) + second.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(payload) < 10
    assert decoded(receiver, payload) == history
    stream = first[: len(first) - len(ends)] + payload
    assert decoded(codec(backend=backend), stream) == history * 2, "nor in one message"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_window_of_8_bits_is_read(backend: str) -> None:
    """Which zlib cannot write: it makes one of 9, and here refers back by fewer bytes."""
    receiver = codec(peer=(8, False), backend=backend)
    compressor = zlib.compressobj(wbits=-9)
    for message in (b"Hello" * 10, b"Hello" * 20, b"Hello" * 10):
        payload = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert decoded(receiver, payload[:-4]) == message
    assert len(receiver._history) == 200


def test_a_message_of_no_bytes_leaves_the_window_alone() -> None:
    receiver = codec()
    for message in (b"Hello", b"", b"Hello"):
        payload = compressed(message) if message else b""
        assert decoded(receiver, payload) == message
        assert decoded(receiver, compressed(b"Hello", final=True), False) == b"Hello"
        assert decoded(receiver, b"", False) == b""
        assert decoded(receiver, b"") == b""


def test_without_takeover_nothing_is_remembered() -> None:
    receiver = codec(peer=(12, True))
    history = b"the quick brown fox jumps over the lazy dog"
    assert decoded(receiver, compressed(history)) == history
    assert (receiver._inflater, receiver._history) == (None, b"")
    second = zlib.compressobj(wbits=-12, zdict=history)
    payload = (second.compress(history) + second.flush(zlib.Z_SYNC_FLUSH))[:-4]
    with pytest.raises(ProtocolError):
        decoded(receiver, payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("f248cdc9c90700", b"Hello"),  # 7.2.3.1
        ("000500faff48656c6c6f00", b"Hello"),  # stored, 7.2.3.3
        ("f348cdc9c9070000", b"Hello"),  # BFINAL, 7.2.3.4
        ("f24805000000ffffcac9c90700", b"Hello"),  # two blocks, 7.2.3.5
        ("00", b""),  # 7.2.3.6
        ("", b""),
        ("f348cdc9c90700f248cdc9c90700", b"HelloHello"),  # a stream after one that ended
        ("0300", b""),  # an empty last block
    ],
)
def test_forms_of_a_message(payload: str, message: bytes) -> None:
    receiver = codec()
    for _ in range(3):
        assert decoded(receiver, bytes.fromhex(payload)) == message


@pytest.mark.parametrize(
    "payload",
    [
        bytes.fromhex("07"),  # block type 3
        bytes.fromhex("03"),  # an empty last block that the tail would end
        bytes.fromhex("000800f7ff48656c6c6f"),  # a stored block that would swallow the tail
        bytes.fromhex("000900f6ff48656c6c6f"),  # and more than that
        compressed(JSON)[:-10],
        bytes.fromhex("000500faf048656c6c6f00"),  # a length and no complement of it
        zlib.compress(b"Hello"),  # not raw
        bytes.fromhex("f348cdc9c90700") + b"\x07",  # garbage after a stream that ended
    ],
)
@pytest.mark.parametrize("fin", [True, False])
def test_what_is_no_deflate_fails(payload: bytes, fin: bool) -> None:
    receiver = codec()
    with pytest.raises(ProtocolError) as caught:  # noqa: PT012
        decoded(receiver, payload, fin)
        decoded(receiver, b"", True)
    assert caught.value.code == 1007


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("message", [b"Hello", JSON, bytes(5000)])
def test_a_payload_that_lost_its_end_fails(backend: str, message: bytes) -> None:
    """Else it is a part of its message, and what is missing is taken from the next one."""
    payload = compressed(message)
    for size in range(1, len(payload)):
        with pytest.raises(ProtocolError):
            decoded(codec(backend=backend), payload[:size])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tail_that_was_sent_fails(backend: str) -> None:
    """The one that is appended then begins a block, which the next message would go on with."""
    with pytest.raises(ProtocolError):
        decoded(codec(backend=backend), compressed(b"Hello") + TAIL)


# The bound -------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_size", [10, 65536])
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 1000, 65535, 65536, 65537])
def test_the_limit_is_exact(chunk_size: int, size: int) -> None:
    payload = compressed(bytes(size))
    assert decoded(codec(chunk_size=chunk_size), payload, limit=size) == bytes(size)
    if size:
        with pytest.raises(PayloadTooBig):
            decoded(codec(chunk_size=chunk_size), payload, limit=size - 1)


@pytest.mark.cpython
def test_a_bomb_is_stopped_while_it_inflates() -> None:
    bomb = compressed(bytes(64 << 20))
    receiver = codec()
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooBig):
            decoded(receiver, bomb, limit=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_nothing_is_held_that_is_not_needed() -> None:
    sender = receiver = codec()
    assert (sender._compressor, receiver._inflater, receiver._history) == (None, None, b"")
    for message in (JSON, bytes(100_000), b"Hello"):
        assert decoded(receiver, sender.encode(message)) == message
        assert receiver._inflater is None
        assert len(receiver._history) <= 4096


# With others -----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.binary(max_size=3000), st.integers(1, 50), st.booleans()), max_size=8),
    st.sampled_from([9, 12, 15]),
    st.booleans(),
)
@settings(deadline=None)
def test_two_codecs_understand_each_other(messages: Any, bits: int, forgets: bool) -> None:
    sender, receiver = codec(bits, forgets), codec(peer=(bits, forgets))
    for message, size, in_fragments in messages:
        if not in_fragments:
            assert decoded(receiver, sender.encode(message)) == message
            continue
        parts = [message[start : start + size] for start in range(0, len(message), size)]
        got = [decoded(receiver, sender.encode(part, False), False) for part in parts]
        got.append(decoded(receiver, sender.encode(b"", True)))
        assert b"".join(got) == message


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("peer_bits", [9, 12, 15])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("peer_forgets", [False, True])
def test_websockets_understands_and_is_understood(
    bits: int, peer_bits: int, forgets: bool, peer_forgets: bool
) -> None:
    theirs = pytest.importorskip("websockets.extensions.permessage_deflate")
    frames = pytest.importorskip("websockets.frames")
    other = theirs.PerMessageDeflate(forgets, peer_forgets, bits, peer_bits, {})
    ours = codec(bits, forgets, (peer_bits, peer_forgets))
    for message in MESSAGES:
        frame = frames.Frame(frames.Opcode.BINARY, ours.encode(message), rsv1=True)
        assert other.decode(frame).data == message
        sent = other.encode(frames.Frame(frames.Opcode.BINARY, message))
        assert decoded(ours, bytes(sent.data)) == message


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("peer_bits", [9, 12, 15])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("peer_forgets", [False, True])
def test_wsproto_understands_and_is_understood(
    bits: int, peer_bits: int, forgets: bool, peer_forgets: bool
) -> None:
    """In fragments, where nothing needs to be flushed before the last one."""
    wsproto = pytest.importorskip("wsproto")
    extensions = pytest.importorskip("wsproto.extensions")
    events = pytest.importorskip("wsproto.events")
    connection = pytest.importorskip("wsproto.connection")
    # It is the server; ours is the client.
    deflate = extensions.PerMessageDeflate(forgets, bits, peer_forgets, peer_bits)
    deflate._enabled = True
    other = connection.Connection(wsproto.ConnectionType.SERVER, [deflate])
    ours = codec(bits, forgets, (peer_bits, peer_forgets))
    for message in MESSAGES:
        half = len(message) // 2
        parts = [ours.encode(message[:half], False), ours.encode(message[half:])]
        other.receive_data(
            wscore.encode_frame(2, parts[0], fin=False, rsv1=True, mask=bytes(4))
            + wscore.encode_frame(0, parts[1], mask=bytes(4))
        )
        assert b"".join(event.data for event in other.events()) == message
        received = []
        for part, fin in ((message[:half], False), (message[half:], True)):
            sent = other.send(events.BytesMessage(data=part, message_finished=fin))
            received.append(decoded(ours, sent[wscore.parse_header(sent).size :], fin))
        assert b"".join(received) == message
