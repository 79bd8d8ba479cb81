"""wsproto: a client and a server over a pair of sockets, and its masker."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drop_in import BUFFERS, KEY, NO_BUFFERS, SIZES, assert_drop_in, name, needs_compiled
from wsproto import WSConnection, events, frame_protocol
from wsproto.connection import ConnectionType

import wscore
from wscore.acceleration.wsproto import BytesMasker, XorMaskerSimple, replacement

OwnMasker = frame_protocol.XorMaskerSimple
Masker = replacement(OwnMasker)


class _End:
    """One end of a connection over a blocking socket."""

    def __init__(self, role: ConnectionType, stream: socket.socket) -> None:
        self.protocol, self.stream = WSConnection(role), stream
        self.pending: list[events.Event] = []

    def send(self, event: events.Event) -> None:
        self.stream.sendall(self.protocol.send(event))

    def receive(self) -> events.Event:
        while not self.pending:
            self.protocol.receive_data(self.stream.recv(65536))
            self.pending += self.protocol.events()
        return self.pending.pop(0)

    def message(self) -> bytes:
        whole = b""
        while True:
            event = self.receive()
            assert isinstance(event, events.BytesMessage)
            whole += event.data
            if event.message_finished:
                return whole


@needs_compiled
def test_client_and_server_mask_through_wscore(
    accelerate: Callable[..., object], calls: Counter[str]
) -> None:
    accelerate("wsproto")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client, server = _End(ConnectionType.CLIENT, ours), _End(ConnectionType.SERVER, theirs)
        client.send(events.Request(host="localhost", target="/"))
        assert isinstance(server.receive(), events.Request)
        server.send(events.AcceptConnection())
        assert isinstance(client.receive(), events.AcceptConnection)
        for size in SIZES:
            client.send(events.BytesMessage(data=b"\x5a" * size))
            assert server.message() == b"\x5a" * size
    assert calls["apply_mask_inplace"] >= 2 * len(SIZES)


@given(st.lists(st.binary(max_size=70)), st.binary(min_size=4, max_size=4))
def test_the_key_turns_from_piece_to_piece(pieces: list[bytes], key: bytes) -> None:
    own, new = OwnMasker(key), Masker(key)
    for piece in pieces:
        assert_drop_in(own.process, new.process, piece)
        assert own._masking_key == new._masking_key


@pytest.mark.parametrize("data", BUFFERS + NO_BUFFERS[:3], ids=name)
@pytest.mark.parametrize("key", [KEY, bytearray(KEY)], ids=name)
def test_takes_what_wsproto_takes(data: object, key: bytes | bytearray) -> None:
    assert_drop_in(OwnMasker(key).process, Masker(key).process, data)


@pytest.mark.parametrize(("kind", "masker"), [(bytearray, XorMaskerSimple), (bytes, BytesMasker)])
def test_the_result_is_of_its_own(kind: type, masker: type[XorMaskerSimple]) -> None:
    data = bytearray(b"Hello")
    masked = masker(KEY).process(data)
    assert (type(masked), masked, data) == (kind, b"\x7f\x9f\x4d\x51\x58", b"Hello")
    assert replacement(masker) is masker


@needs_compiled
def test_restore_puts_the_same_object_back(accelerate: Callable[..., object]) -> None:
    accelerate("wsproto")
    assert frame_protocol.XorMaskerSimple is Masker
    wscore.restore("wsproto")
    assert frame_protocol.XorMaskerSimple is OwnMasker
