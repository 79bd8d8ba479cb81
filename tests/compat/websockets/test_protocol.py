"""websockets' protocol without I/O, against wscore's own."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import Any

import pytest
from support.corpus import CASES

import wscore
from wscore import ConnectionClosedError, ConnectionClosedOK, PayloadTooBig, ProtocolError
from wscore.compat.websockets.exceptions import InvalidState
from wscore.compat.websockets.extensions import Extension
from wscore.compat.websockets.extensions.permessage_deflate import PerMessageDeflate
from wscore.compat.websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Close, Frame
from wscore.compat.websockets.protocol import (
    CLIENT,
    CLOSED,
    CLOSING,
    CONNECTING,
    OPEN,
    SEND_EOF,
    SERVER,
    Protocol,
    Side,
)
from wscore.compat.websockets.typing import ExtensionName


def both(**options: Any) -> tuple[Protocol, Protocol]:
    return Protocol(CLIENT, **options), Protocol(SERVER, **options)


def passed_on(sender: Protocol, receiver: Protocol) -> list[Any]:
    """What *receiver* makes of all that *sender* has to send."""
    for data in sender.data_to_send():
        receiver.receive_data(data) if data else receiver.receive_eof()
    return receiver.events_received()


@pytest.mark.parametrize("side", list(Side))
def test_each_frame_is_an_event(side: Side) -> None:
    sender, receiver = Protocol(side), Protocol(Side(1 - side))
    sender.send_text("ü".encode()[:1], fin=False)
    sender.send_ping(b"1")
    sender.send_continuation("ü".encode()[1:], fin=True)
    sender.send_binary(memoryview(b"data"))
    sender.send_pong(b"2")
    assert passed_on(sender, receiver) == [
        Frame(TEXT, "ü".encode()[:1], fin=False),
        Frame(PING, b"1"),
        Frame(CONT, "ü".encode()[1:]),
        Frame(BINARY, b"data"),
        Frame(PONG, b"2"),
    ]
    assert passed_on(receiver, sender) == [Frame(PONG, b"1")]


def test_text_is_not_validated() -> None:
    client, server = both()
    client.send_text(b"\xff")
    assert passed_on(client, server) == [Frame(TEXT, b"\xff")]


@pytest.mark.parametrize("side", list(Side))
def test_closing(side: Side) -> None:
    first, second = Protocol(side), Protocol(Side(1 - side))
    first.send_close(1001, "bye")
    assert first.state is CLOSING
    assert first.close_expected()
    assert passed_on(first, second) == [Frame(CLOSE, b"\x03\xe9bye")]
    assert passed_on(second, first) == [Frame(CLOSE, b"\x03\xe9bye")]
    server, client = (first, second) if side is SERVER else (second, first)
    if side is SERVER:  # which ends the stream; else it has, with its answer
        assert client.data_to_send() == []
        assert server.data_to_send() == [SEND_EOF]
        client.receive_eof()
    assert client.data_to_send() == [SEND_EOF]
    server.receive_eof()
    assert server.data_to_send() == []
    for protocol in first, second:
        assert protocol.state is CLOSED
        assert not protocol.close_expected()
        assert (protocol.close_code, protocol.close_reason) == (1001, "bye")
        assert isinstance(protocol.close_exc, ConnectionClosedOK)
        assert protocol.close_exc.rcvd_then_sent is (protocol is second)


def test_a_close_without_a_code() -> None:
    client, server = both()
    client.send_close()
    assert passed_on(client, server) == [Frame(CLOSE, b"")]
    assert server.close_rcvd == Close()


@pytest.mark.parametrize(
    ("code", "reason"), [(None, "why"), (999, ""), (1005, ""), (1006, ""), (1000, "x" * 124)]
)
def test_a_close_that_cannot_be_sent(code: int | None, reason: str) -> None:
    client, _ = both()
    with pytest.raises(ProtocolError):
        client.send_close(code, reason)
    assert client.state is OPEN
    assert client.data_to_send() == []


@pytest.mark.parametrize("end", ["send_close", "receive_eof"])
def test_nothing_can_be_sent_after_the_end(end: str) -> None:
    client, _ = both()
    getattr(client, end)()
    for send in client.send_text, client.send_binary:
        with pytest.raises(InvalidState, match="connection is clos"):
            send(b"")
    with pytest.raises(InvalidState):
        client.send_close()


def test_pings_may_follow_a_close() -> None:
    client, server = both()
    client.send_close()
    client.send_ping(b"x")
    client.receive_data(b"".join(server.data_to_send()))
    assert len(b"".join(client.data_to_send())) == 6 + 7
    client.receive_eof()
    with pytest.raises(InvalidState):
        client.send_ping(b"x")


def test_fragments_keep_their_order() -> None:
    client, _ = both()
    with pytest.raises(ProtocolError):
        client.send_continuation(b"", fin=True)
    client.send_text(b"", fin=False)
    for send in client.send_text, client.send_binary:
        with pytest.raises(ProtocolError):
            send(b"")
    client.send_close()
    with pytest.raises(InvalidState):
        client.send_continuation(b"", fin=True)


@pytest.mark.parametrize("payload", [bytes(126)])
def test_control_frames_are_small(payload: bytes) -> None:
    client, _ = both()
    with pytest.raises(ProtocolError):
        client.send_ping(payload)
    assert client.data_to_send() == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x83\x80abcd", 1002),
        (b"\x81\x00", 1002),
        (b"\x80\x80abcd", 1002),
        (b"\x82\xfe\x04\x01abcd", 1009),
        (b"\x88\x84\x00\x00\x00\x00\x03\xe8\xff\xff", 1007),
    ],
)
def test_violations(data: bytes, code: int) -> None:
    server = Protocol(SERVER, max_size=1024)
    server.receive_data(data)
    assert isinstance(server.parser_exc, (ProtocolError, PayloadTooBig))
    assert server.close_sent is not None
    assert server.close_sent.code == code
    assert server.events_received() == []
    *frames, end = server.data_to_send()
    assert b"".join(frames)[2:4] == code.to_bytes(2, "big")
    assert end == SEND_EOF
    server.receive_data(b"more")
    assert server.data_to_send() == server.events_received() == []
    server.receive_eof()
    assert isinstance(server.close_exc, ConnectionClosedError)
    assert server.close_exc.__cause__ is server.parser_exc


def test_a_client_that_fails_waits_for_the_server() -> None:
    client = Protocol(CLIENT)
    client.fail(1011, "broken")
    [frame] = client.data_to_send()
    server = Protocol(SERVER)
    server.receive_data(frame)
    assert server.close_rcvd == Close(1011, "broken")
    client.receive_data(b"\x81\x00")
    assert client.events_received() == []
    client.receive_eof()
    assert client.data_to_send() == [SEND_EOF]


def test_failing_without_a_close() -> None:
    server = Protocol(SERVER)
    server.fail(1006)
    assert server.data_to_send() == [SEND_EOF]
    server.receive_data(b"\x81\x80abcd")
    assert server.events_received() == []
    server.receive_eof()
    assert server.close_code == 1006
    with pytest.raises(ProtocolError):
        Protocol(SERVER).fail(1005)


def test_a_stream_that_just_ends() -> None:
    client = Protocol(CLIENT)
    with pytest.raises(AssertionError, match="isn't closed"):
        _ = client.close_exc
    assert client.close_code is client.close_reason is None
    client.receive_eof()
    client.receive_eof()
    assert isinstance(client.parser_exc, EOFError)
    assert (client.close_code, client.close_reason) == (1006, "")
    assert client.close_exc.rcvd is client.close_exc.sent is None
    with pytest.raises(EOFError):
        client.receive_data(b"x")


def test_the_state_may_be_set() -> None:
    client = Protocol(CLIENT)
    client.state = CLOSED
    with pytest.raises(InvalidState):
        client.send_text(b"")
    assert not Protocol(CLIENT, state=CONNECTING).close_expected()


def test_pairs_of_limits() -> None:
    server = Protocol(SERVER, max_size=(5, 3))
    server.receive_data(b"\x01\x83\x00\x00\x00\x00abc")
    assert server.events_received() == [Frame(TEXT, b"abc", fin=False)]
    server.receive_data(b"\x80\x83\x00\x00\x00\x00abc")
    assert isinstance(server.parser_exc, PayloadTooBig)
    big = Protocol(SERVER, max_size=(None, 3))
    big.receive_data(b"\x82\x84\x00\x00\x00\x00abcd")
    assert isinstance(big.parser_exc, PayloadTooBig)


def test_compression() -> None:
    client, server = both()
    client.extensions = [PerMessageDeflate(False, False, 12, 12)]
    server.extensions = [PerMessageDeflate(False, False, 12, 12)]
    client.send_text(b"some text" * 500)
    [data] = client.data_to_send()
    assert len(data) < 200
    server.receive_data(data)
    assert server.events_received() == [Frame(TEXT, b"some text" * 500)]
    client.send_binary(b"a" * 5000, fin=False)
    client.send_continuation(b"b", fin=True)
    assert passed_on(client, server) == [
        Frame(BINARY, b"a" * 5000, fin=False),
        Frame(CONT, b"b"),
    ]


class Reversing(Extension):
    """Uses RSV3, which no registered extension does, for every frame."""

    name = ExtensionName("x-reversing")

    def encode(self, frame: Frame) -> Frame:
        return replace(frame, data=bytes(frame.data)[::-1], rsv3=True)

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return replace(frame, data=bytes(frame.data)[::-1], rsv3=False)


def test_an_extension_of_ones_own() -> None:
    client, server = both()
    client.send_text(b"before")
    client.extensions = [Reversing()]
    plain, *_ = client.data_to_send()
    server.receive_data(plain)
    assert server.events_received() == [Frame(TEXT, b"before")]
    server.extensions = [Reversing()]
    client.send_text(b"abc")
    client.send_ping(b"12")
    [first, *_] = client.data_to_send()
    assert first[0] == 0x91
    client.send_ping(b"12")
    server.receive_data(first)
    assert passed_on(client, server) == [Frame(TEXT, b"abc"), Frame(PING, b"12")]
    assert passed_on(server, client) == [Frame(PONG, b"12")]
    client.send_close(1000, "bye")
    assert passed_on(client, server) == [Frame(CLOSE, b"\x03\xe8bye")]
    assert passed_on(server, client) == [Frame(CLOSE, b"\x03\xe8bye")]


def test_it_speaks_with_the_engine() -> None:
    engine = wscore.protocol.connection.Protocol(client=False)
    engine.state = OPEN
    engine.writer.accepting = True
    client = Protocol(CLIENT)
    client.send_text(b"hi")
    engine.receive_data(b"".join(client.data_to_send()))
    assert engine.events() == ["hi"]
    engine.send("there")
    client.receive_data(b"".join(engine.data_to_send()))
    assert client.events_received() == [Frame(TEXT, b"there")]


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.protocol")
    with caplog.at_level(logging.DEBUG, "test.protocol"):
        client = Protocol(CLIENT, logger=logger)
        client.send_text(b"out")
        client.receive_data(b"\x81\x02in")
        client.receive_eof()
    assert caplog.messages == [
        "= connection is OPEN",
        "> TEXT 'out' [3 bytes]",
        "< TEXT 'in' [2 bytes]",
        "= connection is CLOSED",
    ]
    assert Protocol(SERVER).logger.name == "websockets.server"
    assert client.id != Protocol(CLIENT).id


def test_the_old_module_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wscore.compat.websockets.connection", raising=False)
    with pytest.warns(DeprecationWarning, match=r"websockets\.connection was renamed"):
        from wscore.compat.websockets.connection import Connection
    assert Connection is Protocol


# The corpus -------------------------------------------------------------------------------------


def _read_case(case: dict[str, Any], size: int, one_by_one: bool) -> tuple[Any, ...]:
    """What comes of a case of the corpus, read by the kernel or frame by frame."""
    limit = case["max_size"] or 2**20
    protocol = Protocol(
        SERVER if case["role"] == "server" else CLIENT,
        max_size=(limit, 2**62) if one_by_one else limit,
    )
    if case["extensions"]:
        protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    data = bytes.fromhex(case["hex"])
    for start in range(0, len(data), size):
        protocol.receive_data(data[start : start + size])
    sent = protocol.close_sent
    code = None if sent is None else 0 if sent.code == 1005 else sent.code
    return protocol.events_received(), code, protocol.state, protocol.close_rcvd


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_both_ways_to_read_agree_about_the_corpus(case: dict[str, Any]) -> None:
    whole = _read_case(case, 1 << 20, one_by_one=False)
    events, code, *_ = whole
    assert _read_case(case, 1, one_by_one=False) == whole
    assert _read_case(case, 1, one_by_one=True) == whole
    assert _read_case(case, 1 << 20, one_by_one=True) == whole
    pings = [event.data.hex() for event in events if event.opcode is PING]
    assert pings == case["pongs"]
    # Text is for the caller to validate.
    if case["close"] != [1007]:
        assert code in (case["close"] or [None])
