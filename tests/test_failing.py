"""How the protocol core fails: streams that end, rules that are broken, limits."""

from __future__ import annotations

import pytest
from support.feeding import header, wire
from support.oracles import WireFrame
from support.pair import SIZES, Pair, sent_by

from wscore import (
    Close,
    ConnectionClosedError,
    PayloadTooBig,
    ProtocolError,
    ServerProtocol,
    State,
)
from wscore.protocol.connection import SEND_EOF

# The end of the stream -------------------------------------------------------------------------


def test_a_stream_that_ends_without_a_close_tells_why() -> None:
    server = Pair().open().server.protocol
    cause = ConnectionResetError("gone")
    server.receive_eof(cause)
    assert server.state is State.CLOSED
    assert not server.close_expected()
    error = server.closed_error()
    assert isinstance(error, ConnectionClosedError)
    assert (error.code, error.rcvd, error.sent) == (1006, None, None)
    assert error.__cause__ is cause
    assert "gone" in str(error)


def test_a_stream_that_ends_while_we_close_is_an_error() -> None:
    server = Pair().open().server.protocol
    server.close(1001)
    server.receive_eof()
    error = server.closed_error()
    assert isinstance(error, ConnectionClosedError)
    assert (error.rcvd, error.sent, error.rcvd_then_sent) == (None, Close(1001), None)


def test_the_end_may_be_told_again_and_keeps_its_first_cause() -> None:
    server = Pair().open().server.protocol
    first = OSError("first")
    server.receive_eof(first)
    server.receive_eof(OSError("second"))
    assert server.closed_error().__cause__ is first


# Failure ---------------------------------------------------------------------------------------


BAD = {
    "reserved opcode": (wire(WireFrame(3)), 1002, ProtocolError),
    "unmasked": (wire(WireFrame(1, b"a"), masked=False), 1002, ProtocolError),
    "text that is not UTF-8": (wire(WireFrame(1, b"\xff")), 1007, ProtocolError),
    "bad byte in a message that goes on": (
        wire(WireFrame(1, b"\xc0\x80" * 5))[:8],
        1007,
        ProtocolError,
    ),
    "too big, by its header": (header(1 << 21), 1009, PayloadTooBig),
    "close code": (wire(WireFrame(8, b"\x03\xee")), 1002, ProtocolError),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BAD)
def test_a_violation_fails_the_connection(name: str, size: int) -> None:
    data, code, kind = BAD[name]
    pair = Pair(size=size).open()
    pair.deliver(wire(WireFrame(1, b"before")) + data + wire(WireFrame(1, b"after")), pair.server)
    server = pair.server.protocol
    assert pair.server.events == ["before"]
    assert isinstance(server.failure, kind)
    assert server.state is State.CLOSING
    output = server.data_to_send()
    assert output[-1] == SEND_EOF, "our side of the stream ends after the Close"
    pair.server.sent = b"".join(output)
    [close] = pair.server.frames()
    assert int.from_bytes(close.payload[:2], "big") == code
    assert str(server.failure).encode() not in close.payload, "exception texts stay here"
    pair.end()
    error = server.closed_error()
    assert error.__cause__ is server.failure
    assert error.sent.code == code


def test_a_server_that_masks_fails_the_client() -> None:
    pair = Pair().open()
    pair.deliver(wire(WireFrame(1, b"a")), pair.client)
    assert [frame.payload[:2] for frame in sent_by(pair.client.protocol)] == [b"\x03\xea"]
    assert not pair.client.events


def test_limits_are_the_callers() -> None:
    pair = Pair(server=ServerProtocol(max_size=3, max_fragments=2)).open()
    pair.client.protocol.send(b"abc")
    pair.pump()
    assert pair.server.events == [b"abc"]
    fragments = (WireFrame(2, b"a", fin=False), *[WireFrame(0, b"", fin=False)] * 2)
    pair.deliver(wire(*fragments), pair.server)
    assert pair.server.protocol.close_sent.code == 1008
    pair = Pair(server=ServerProtocol(max_size=3)).open()
    pair.client.protocol.send(b"abcd")
    pair.pump()
    assert pair.client.protocol.close_rcvd.code == 1009


def test_failing_on_purpose() -> None:
    pair = Pair().open()
    pair.server.protocol.fail(1011)
    pair.pump()
    assert pair.client.events == [Close(1011, "internal error")]
    assert pair.server.ended
    pair.server.protocol.fail(1002)
    pair.pump()
    assert len(pair.server.frames()) == 1
    pair.end()
    pair.server.protocol.fail()
    assert pair.server.protocol.state is State.CLOSED
    assert pair.server.collect() == b""


def test_failing_with_words_of_our_own() -> None:
    pair = Pair().open()
    pair.server.protocol.fail(4000, "too slow")
    pair.pump()
    assert pair.client.events == [Close(4000, "too slow")]


def test_a_violation_while_closing_sends_no_second_close() -> None:
    server = Pair().open().server.protocol
    server.close(1001)
    server.receive_data(b"\xff\xff")
    assert [frame.opcode for frame in sent_by(server)] == [8]
    assert server.closed_error().sent == Close(1001)
    assert isinstance(server.failure, ProtocolError)
    server.receive_data(wire(WireFrame(8)))
    assert server.close_rcvd is None, "input after a failure is discarded"
