"""The protocol core as a pair, and alone against bytes that no good peer sends."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import wire
from support.numbered import NumberedCodec
from support.oracles import WireFrame
from support.pair import SIZES, Pair, Side, sent_by

from wscore import (
    ClientProtocol,
    Close,
    ConnectionClosedError,
    ConnectionClosedOK,
    Frame,
    Opcode,
    ServerProtocol,
    State,
)
from wscore.protocol.connection import TRANSITIONS, Move, Protocol, Sending

CLIENT_BEGINS, SERVER_BEGINS = ("client", "server"), ("server", "client")


@pytest.fixture(params=SIZES, ids=lambda size: f"by-{size}" if size < 1000 else "whole")
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(size=request.param).open()


@pytest.fixture(params=[CLIENT_BEGINS, SERVER_BEGINS], ids=lambda names: f"{names[0]}-acts")
def sides(pair: Pair, request: pytest.FixtureRequest) -> tuple[Side, Side]:
    """The one who acts and the other."""
    one, other = request.param
    return getattr(pair, one), getattr(pair, other)


# Messages --------------------------------------------------------------------------------------

MESSAGES = ["", "text", "€𝄞" * 50, b"", b"\xff\x00", "x" * 126, bytes(range(256)) * 300]


def test_messages_arrive_whole_and_in_order(pair: Pair, sides: tuple[Side, Side]) -> None:
    here, there = sides
    for message in MESSAGES:
        here.protocol.send(message)
    pair.pump()
    assert there.events == MESSAGES
    assert [type(event) for event in there.events] == [type(message) for message in MESSAGES]
    assert not here.events


def test_text_says_what_a_message_is(pair: Pair, sides: tuple[Side, Side]) -> None:
    here, there = sides
    here.protocol.send("€".encode(), text=True)
    here.protocol.send("€", text=False)
    here.protocol.send(bytearray(b"a"))
    here.protocol.send(memoryview(b"b"))
    pair.pump()
    assert there.events == ["€", "€".encode(), b"a", b"b"]


@pytest.mark.parametrize("message", [None, 1, ["a"]])
def test_what_is_no_message_is_refused_and_nothing_is_sent(message: Any) -> None:
    server = Pair().open().server
    with pytest.raises(TypeError):
        server.protocol.send(message)
    assert server.collect() == b""
    assert server.protocol.state is State.OPEN


def test_fragments_are_one_message_and_pings_go_between(
    pair: Pair, sides: tuple[Side, Side]
) -> None:
    here, there = sides
    here.protocol.send("h€"[:1], fin=False)
    here.protocol.ping(b"p")
    here.protocol.send_continuation("€".encode()[:1], fin=False)
    here.protocol.send_continuation("€".encode()[1:], fin=False)
    here.protocol.send_continuation("", fin=True)
    here.protocol.send(b"next")
    pair.pump()
    assert there.events == [Frame(Opcode.PING, b"p"), "h€", b"next"]
    kinds = [(frame.opcode, frame.fin) for frame in here.frames()]
    assert kinds == [(1, False), (9, True), (0, False), (0, False), (0, True), (2, True)]


def test_nothing_comes_between_the_fragments_of_a_message() -> None:
    here = Pair().open().client.protocol
    with pytest.raises(RuntimeError, match="no fragmented message"):
        here.send_continuation("a", fin=True)
    here.send(b"a", text=True, fin=False)
    for fin in (True, False):
        with pytest.raises(RuntimeError, match="is being sent"):
            here.send("b", fin=fin)
    here.send_continuation("c", fin=True)
    with pytest.raises(RuntimeError, match="no fragmented message"):
        here.send_continuation("d", fin=True)
    here.send("e")


def test_fragments_may_be_had_as_they_come(pair: Pair) -> None:
    server = pair.server.protocol
    server.reader.fragments = True
    pair.client.protocol.send("a", fin=False)
    pair.pump()
    assert pair.server.events == [Frame(Opcode.TEXT, b"a", fin=False)]
    pair.client.protocol.send_continuation("b", fin=True)
    pair.pump()
    assert pair.server.events[1:] == [Frame(Opcode.CONT, b"b")]


# Pings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"x" * 125])
def test_a_ping_is_answered(pair: Pair, sides: tuple[Side, Side], payload: bytes) -> None:
    here, there = sides
    here.protocol.ping(payload)
    pair.pump()
    assert there.events == [Frame(Opcode.PING, payload)]
    assert here.events == [Frame(Opcode.PONG, payload)]


def test_a_pong_that_nobody_asked_for_is_not_answered(pair: Pair, sides: tuple[Side, Side]) -> None:
    here, there = sides
    here.protocol.pong(b"alive")
    pair.pump()
    assert there.events == [Frame(Opcode.PONG, b"alive")]
    assert there.sent == b""


@pytest.mark.parametrize("method", ["ping", "pong"])
def test_a_control_frame_is_short(method: str) -> None:
    side = Pair().open().server
    with pytest.raises(ValueError, match="125"):
        getattr(side.protocol, method)(b"x" * 126)
    assert side.collect() == b""


def test_only_the_latest_ping_is_answered_to_a_peer_that_does_not_read() -> None:
    pair = Pair().open()
    server = pair.server.protocol
    server.writable = False
    for payload in (b"1", b"2", b"3"):
        pair.client.protocol.ping(payload)
    pair.pump()
    assert pair.server.sent == b""
    assert len(pair.server.events) == 3
    server.writable = True
    pair.pump()
    assert pair.client.events == [Frame(Opcode.PONG, b"3")]
    server.writable = True
    pair.pump()
    assert len(pair.client.events) == 1


def test_no_pong_after_our_close() -> None:
    """RFC 6455 5.5.1: the Close is the last frame that we send."""
    pair = Pair().open()
    server = pair.server.protocol
    server.writable = False
    pair.client.protocol.ping(b"1")
    pair.pump()
    server.close()
    server.writable = True
    server.receive_data(wire(WireFrame(9, b"2")))
    assert [frame.opcode for frame in sent_by(server)] == [8]


# The closing handshake -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "ok"),
    [(1000, "", True), (1001, "bye €", True), (1005, "", True), (1011, "x" * 123, False),
     (3000, "", False), (4999, "", False)],
)  # fmt: skip
def test_either_side_closes(
    pair: Pair, sides: tuple[Side, Side], code: int, reason: str, ok: bool
) -> None:
    here, there = sides
    here.protocol.close(code, reason)
    assert here.protocol.state is State.CLOSING
    pair.pump()
    close = Close(code, reason)
    assert there.events == [close]
    assert here.events == [close]
    assert here.protocol.close_expected()
    assert there.protocol.close_expected()
    pair.end()
    assert here.protocol.state is there.protocol.state is State.CLOSED
    for side, rcvd_then_sent in ((here, False), (there, True)):
        error = side.protocol.closed_error()
        assert type(error) is (ConnectionClosedOK if ok else ConnectionClosedError)
        assert (error.rcvd, error.sent) == (close, close)
        assert error.rcvd_then_sent is rcvd_then_sent
        assert (error.code, error.reason) == (code, reason)
        assert error.__cause__ is None


def test_both_close_at_once(pair: Pair) -> None:
    client, server = pair.client.protocol, pair.server.protocol
    client.close(1000, "client")
    server.close(1001, "server")
    pair.pump()
    pair.end()
    for protocol, rcvd, sent in (
        (client, Close(1001, "server"), Close(1000, "client")),
        (server, Close(1000, "client"), Close(1001, "server")),
    ):
        error = protocol.closed_error()
        assert isinstance(error, ConnectionClosedOK)
        assert (error.rcvd, error.sent, error.rcvd_then_sent) == (rcvd, sent, False)
    assert len(pair.client.frames()) == len(pair.server.frames()) == 1


def test_what_was_on_its_way_when_we_closed_still_arrives(
    pair: Pair, sides: tuple[Side, Side]
) -> None:
    here, there = sides
    there.protocol.send("late")
    here.protocol.close()
    pair.pump()
    assert here.events == ["late", Close(1000)]


def test_closing_again_does_nothing(pair: Pair, sides: tuple[Side, Side]) -> None:
    here, there = sides
    here.protocol.close(1000)
    here.protocol.close(1001)
    pair.pump()
    there.protocol.close(1001)
    pair.pump()
    assert [frame.opcode for frame in here.frames()] == [8]
    assert [frame.opcode for frame in there.frames()] == [8]
    assert there.events == [Close(1000)]
    pair.end()
    here.protocol.close()
    assert here.collect() == b""


@pytest.mark.parametrize("when", ["we closed", "the peer closed", "the stream ended"])
def test_nothing_is_sent_once_the_connection_is_closing(when: str) -> None:
    pair = Pair().open()
    here = pair.client.protocol
    here.send("begun", fin=False)
    if when == "the stream ended":
        here.receive_eof()
    else:
        (here if when == "we closed" else pair.server.protocol).close(1001)
        pair.pump()
    pair.client.collect()
    error = ConnectionClosedError if when == "the stream ended" else ConnectionClosedOK
    for call in (here.send, here.ping, here.pong):
        with pytest.raises(error):
            call("a")
    with pytest.raises(error):
        here.send("a", fin=False)
    with pytest.raises(error):
        here.send_continuation("a", fin=True)
    assert pair.client.collect() == b""


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65536, -1])
def test_a_close_that_must_not_be_sent_is_refused(code: int) -> None:
    side = Pair().open().server
    with pytest.raises(ValueError, match="not allowed"):
        side.protocol.close(code)
    assert side.protocol.state is State.OPEN
    assert side.collect() == b""


def test_a_close_reason_is_short_and_needs_a_code() -> None:
    side = Pair().open().server
    with pytest.raises(ValueError, match="at most 123 are allowed"):
        side.protocol.close(1000, "€" * 42)
    with pytest.raises(ValueError, match="not allowed"):
        side.protocol.close(1005, "why")
    assert side.protocol.state is State.OPEN


def test_what_follows_a_close_is_not_looked_at() -> None:
    server = Pair().open().server.protocol
    server.receive_data(wire(WireFrame(8, b"\x03\xe8"), WireFrame(1, b"a")) + b"\xff\xff")
    server.receive_data(wire(WireFrame(9, b"p")) + b"\xff\xff")
    assert server.events() == [Close(1000)]
    assert [frame.opcode for frame in sent_by(server)] == [8]
    assert server.failure is None


# States ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "move"), [*product(State, Move)])
def test_moves(state: State, move: Move) -> None:
    protocol = Protocol(client=False)
    protocol.state = state
    target = TRANSITIONS.get((state, move))
    if target is None:
        with pytest.raises(RuntimeError, match=state.name):
            protocol._move(move)
        assert protocol.state is state
    else:
        protocol._move(move)
        assert protocol.state is target


def test_the_moves_lead_on_and_never_back() -> None:
    assert all(target >= state for (state, _), target in TRANSITIONS.items())
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert {move for _, move in TRANSITIONS} == set(Move)
    assert all((state, Move.ENDED) in TRANSITIONS for state in State)


@pytest.mark.parametrize("protocol", [ClientProtocol("ws://a/"), ServerProtocol()])
def test_nothing_is_sent_before_the_handshake(protocol: Any) -> None:
    for call in (protocol.send, protocol.ping, protocol.pong):
        with pytest.raises(RuntimeError, match="opening handshake"):
            call("a")
    with pytest.raises(RuntimeError, match="opening handshake"):
        protocol.send_continuation("a", fin=True)
    with pytest.raises(RuntimeError, match="opening handshake"):
        protocol.close()
    assert protocol.data_to_send() == []


# What may be sent ------------------------------------------------------------------------------


def test_what_may_be_sent_follows_from_the_state() -> None:
    """The writer knows no more of it than whether messages are accepted."""
    here = ClientProtocol("ws://a/")
    assert (here.sending, here.writer.accepting) == (Sending.FINISHED, False)
    here = Pair().open().client.protocol
    assert (here.sending, here.writer.accepting) == (Sending.MESSAGES, True)
    here.send("a", fin=False)
    assert (here.sending, here.writer.accepting) == (Sending.FRAGMENTS, False)
    here.send_continuation("b", fin=False)
    assert (here.sending, here.writer.accepting) == (Sending.FRAGMENTS, False)
    here.send_continuation("c", fin=True)
    assert (here.sending, here.writer.accepting) == (Sending.MESSAGES, True)
    here.close()
    assert (here.sending, here.writer.accepting) == (Sending.FINISHED, False)


def test_the_refusal_says_why_no_message_may_be_sent() -> None:
    here = ClientProtocol("ws://a/")
    assert isinstance(here.refusal(), RuntimeError)
    assert "opening handshake" in str(here.refusal())
    here = Pair().open().client.protocol
    here.send("a", fin=False)
    assert isinstance(here.refusal(), RuntimeError)
    assert "fragmented message" in str(here.refusal())
    here.close()
    assert isinstance(here.refusal(), ConnectionClosedError)


@pytest.mark.parametrize("fin", [True, False])
def test_no_message_is_begun_once_sending_was_finished(fin: bool) -> None:
    here = Pair().open().client.protocol
    here.finish_sending()
    assert (here.state, here.sending) == (State.OPEN, Sending.FINISHED)
    with pytest.raises(ConnectionClosedError):
        here.send("a", fin=fin)
    with pytest.raises(RuntimeError, match="no fragmented message"):
        here.send_continuation("a", fin=True)
    here.ping(b"still here")
    here.close()
    assert [frame.opcode for frame in sent_by(here)][-2:] == [9, 8]


def test_a_message_that_was_begun_may_be_finished() -> None:
    here = Pair().open().client.protocol
    here.send("a", fin=False)
    here.finish_sending()
    here.send_continuation("b", fin=True)
    assert here.sending is Sending.FINISHED
    with pytest.raises(ConnectionClosedError):
        here.send("c")


def test_nothing_counts_that_follows_what_cannot_be_decoded() -> None:
    """RFC 6455 7.1.7, also within one read."""
    server = Pair().open().server.protocol
    server.use_codec(NumberedCodec())
    broken = WireFrame(1, b"not encoded so", rsv=4)
    server.receive_data(wire(WireFrame(1, b"before"), broken, WireFrame(1, b"after")))
    assert server.events() == ["before"]
    assert server.state is State.CLOSING
    assert server.failure is not None


# Any conversation ------------------------------------------------------------------------------

_ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.text(max_size=200) | st.binary(max_size=200)),
    st.tuples(st.just("ping"), st.binary(max_size=125)),
    st.tuples(st.just("close"), st.sampled_from([1000, 1001, 1011, 3000, 4999])),
)
_SCRIPTS = st.lists(st.tuples(st.booleans(), _ACTIONS, st.booleans()), max_size=20)


@given(script=_SCRIPTS, size=st.integers(1, 300))
def test_any_conversation(script: list[Any], size: int) -> None:
    """What is sent arrives, in order, and both tell the same story of the end."""
    pair = Pair(size=size).open()
    said: dict[str, list[Any]] = {"client": [], "server": []}
    for by_client, (action, argument), pump in script:
        name = "client" if by_client else "server"
        protocol = getattr(pair, name).protocol
        if protocol.state is State.OPEN:
            getattr(protocol, action)(argument)
            if action == "send":
                said[name].append(argument)
        if pump:
            pair.pump()
    pair.client.protocol.close()
    pair.pump()
    pair.end()
    for side, name in ((pair.client, "server"), (pair.server, "client")):
        heard = [event for event in side.events if isinstance(event, (str, bytes))]
        assert heard == said[name]
        assert side.frames()[-1].opcode == Opcode.CLOSE
        assert sum(frame.opcode == Opcode.CLOSE for frame in side.frames()) == 1
    at_client, at_server = (s.protocol.closed_error() for s in (pair.client, pair.server))
    assert (at_client.rcvd, at_client.sent) == (at_server.sent, at_server.rcvd)
    assert type(at_client) is type(at_server)
