"""What each read and each write of TLS takes; tests/aio/connection has it with its transport."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import Peer

if TYPE_CHECKING:
    from types import ModuleType


class Owner:
    """Notes what it is called for."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.calls.append((name, *given, *named.items()))


class Ends:
    """`TLSRecords` of a server, and a client."""

    def __init__(self, backend: ModuleType, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = server.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.owner, self.memory = Owner(), memoryview(bytearray(1 << 18))
        self.records = backend.TLSRecords(
            self.owner, made, self.incoming, self.outgoing, self.memory
        )
        self.room = memoryview(bytearray(1 << 18))
        self.closes_below = False
        self.got: list[bytes] = []
        self.sent: list[bytes] = []
        self.records.set_above(self.get_buffer, self.updated)
        self.records.set_below(self.sent.append, self.sent.extend, self.is_closing)
        self.peer = Peer(client, server_side=False)
        for _ in range(2):
            self.peer.shake_hands()
            self.incoming.write(self.peer.outgoing.read())
            with suppress(ssl.SSLWantReadError):
                made.do_handshake()
            self.peer.incoming.write(self.outgoing.read())
        self.records.reading = self.records.writing = True

    def is_closing(self) -> bool:
        return self.closes_below

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.room

    def updated(self, nbytes: int) -> None:
        self.got.append(bytes(self.room[:nbytes]))

    def feed(self, data: bytes) -> None:
        self.memory[: len(data)] = data
        assert self.records.get_buffer(-1) is self.memory
        self.records.updated(len(data))


@pytest.fixture
def ends(backend: ModuleType, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> Ends:
    return Ends(backend, server_tls, client_tls)


def test_a_read_is_handed_on_in_one_call(ends: Ends) -> None:
    ends.feed(ends.peer.write(b"a") + ends.peer.write(b"b"))
    assert ends.got == [b"ab"]
    assert ends.owner.calls == []


def test_half_a_record_is_nothing_yet(ends: Ends) -> None:
    record = ends.peer.write(b"data")
    ends.feed(record[:7])
    assert ends.got == []
    ends.feed(record[7:])
    assert ends.got == [b"data"]
    assert ends.owner.calls == []


def test_many_records_are_handed_on_in_steps(ends: Ends) -> None:
    ends.feed(b"".join(ends.peer.write(b"x") for _ in range(100)))
    assert ends.got == [b"x" * 64, b"x" * 36]


def test_more_than_one_piece(ends: Ends) -> None:
    data = bytes(range(256)) * 600
    ends.feed(ends.peer.write(data))
    assert b"".join(ends.got) == data


def test_a_write_is_sent_at_once(ends: Ends) -> None:
    ends.records.write(b"data")
    ends.records.write(memoryview(b"more"))
    assert len(ends.sent) == 2
    ends.peer.take(b"".join(ends.sent))
    assert ends.peer.data == b"datamore"
    assert ends.owner.calls == []


@pytest.mark.parametrize("flag", ["reading", "busy"])
def test_reads_that_the_owner_takes(ends: Ends, flag: str) -> None:
    setattr(ends.records, flag, flag == "busy")
    ends.feed(b"12345")
    assert ends.owner.calls == [("received", 5)]


def test_what_is_left_over_comes_first(ends: Ends) -> None:
    first, second = ends.peer.write(b"first"), ends.peer.write(b"second")
    ends.memory[: len(first)] = first
    ends.records.receive(ends.memory[: len(first)])
    ends.records.keep()
    assert ends.records.has_input()
    ends.feed(second)
    assert ends.owner.calls == [("received", len(second))]
    ends.records.receive(ends.memory[: len(second)])
    assert ends.records.deliver()
    assert ends.got == [b"firstsecond"]
    assert not ends.records.has_input()


def test_input_can_be_dropped(ends: Ends) -> None:
    ends.records.receive(memoryview(ends.peer.write(b"data")))
    ends.records.drop_input()
    assert not ends.records.has_input()
    assert not ends.records.feed()


@pytest.mark.parametrize("flag", ["writing", "sending"])
def test_writes_that_the_owner_takes(ends: Ends, flag: str) -> None:
    setattr(ends.records, flag, flag == "sending")
    ends.records.write(b"data")
    ends.records.writelines((b"more", b"data"))
    assert ends.owner.calls == [("wrote", [b"data"]), ("wrote", [b"more", b"data"])]
    assert ends.sent == []


@pytest.mark.parametrize("size", [0, 16385, 40_000])
def test_writes_of_any_size(ends: Ends, size: int) -> None:
    data = bytes(range(250)) * 160
    ends.records.write(data[:size])
    ends.records.writelines([b"head", memoryview(data)[:size], b""])
    ends.peer.take(b"".join(ends.sent))
    assert ends.peer.data == data[:size] + b"head" + data[:size]
    assert ends.owner.calls == []


def test_no_more_is_encrypted_than_the_transport_below_takes(ends: Ends) -> None:
    written: list[int] = []

    def full(output: list[bytes]) -> None:
        written.append(len(output))
        ends.records.writing = False

    ends.records.set_below(full, full, bool)
    data = memoryview(bytes(200_000))
    ends.records.writelines([b"head", data, b"tail"])
    [(name, [rest, tail], first)] = ends.owner.calls
    assert (name, first, tail) == ("wrote", ("first", True), b"tail")
    assert rest == data[7 * 16384 :]
    assert written == [8, 0]


def test_what_comes_to_wait_within_a_write_is_the_owners(ends: Ends) -> None:
    def full(data: bytes) -> None:
        ends.records.writing = False

    ends.records.set_below(full, full, bool)
    ends.records.write(b"data")
    [(name, rest, first)] = ends.owner.calls
    assert (name, b"".join(rest), first) == ("wrote", b"", ("first", True))


def test_the_end_of_the_peers_stream(ends: Ends) -> None:
    ends.feed(ends.peer.write(b"last") + ends.peer.goodbye())
    assert ends.records.ended
    assert ends.got == [b"last"]
    assert ends.owner.calls == [("go_on",)]


def test_a_broken_record(ends: Ends) -> None:
    record = bytearray(ends.peer.write(b"data"))
    record[-1] ^= 1
    ends.feed(bytes(record))
    [(name, error)] = ends.owner.calls
    assert name == "fail"
    assert isinstance(error, ssl.SSLError)
    assert ends.records.has_output()
    assert ends.records.take_output()  # an alert
    assert not ends.records.has_output()


def test_no_room_is_an_error_and_not_the_end_of_the_stream(ends: Ends) -> None:
    ends.room = memoryview(bytearray())
    ends.feed(ends.peer.write(b"data"))
    [(name, error)] = ends.owner.calls
    assert name == "fail"
    assert str(error) == "get_buffer() returned an empty buffer"
    assert not ends.records.ended


@pytest.mark.parametrize("where", ["get_buffer", "updated", "write", "writelines"])
def test_errors_of_others(ends: Ends, where: str) -> None:
    error = ZeroDivisionError()

    def fail(*given: Any) -> Any:
        raise error

    if where in ("write", "writelines"):
        ends.records.set_below(fail, fail, fail)
        getattr(ends.records, where)(b"data" if where == "write" else [b"data"])
        assert not ends.records.sending
    else:
        setattr(ends, where, fail)
        ends.records.set_above(ends.get_buffer, ends.updated)
        ends.feed(ends.peer.write(b"data"))
        assert not ends.records.busy
    assert ends.owner.calls == [("fail", error)]


@pytest.mark.parametrize("where", ["get_buffer", "updated", "write", "writelines"])
def test_exits_of_others(ends: Ends, where: str) -> None:
    def leave(*given: Any) -> Any:
        raise KeyboardInterrupt

    ends.records.set_below(leave, leave, leave)
    if where in ("get_buffer", "updated"):
        setattr(ends, where, leave)
        ends.records.set_above(ends.get_buffer, ends.updated)
    data = ends.peer.write(b"data")
    does: dict[str, Any] = {
        "write": lambda: ends.records.write(b"data"),
        "writelines": lambda: ends.records.writelines([b"data"]),
    }
    with pytest.raises(KeyboardInterrupt):
        does.get(where, lambda: ends.feed(data))()
    assert ends.owner.calls == [("go_on_soon",) if where == "updated" else ("abort",)]
    assert (ends.records.busy, ends.records.sending) == (False, False)


def test_it_is_closing_as_soon_as_it_or_what_is_below_is(ends: Ends) -> None:
    assert ends.records.is_closing() is False
    ends.closes_below = True
    assert ends.records.is_closing() is True
    ends.records.release()
    assert ends.records.is_closing() is False
    ends.records.closing = True
    assert ends.records.is_closing() is True


def test_released_within_a_callback(ends: Ends) -> None:
    def release(nbytes: int) -> None:
        ends.records.release()
        ends.records.closing, ends.records.reading = True, False
        raise ZeroDivisionError

    ends.records.set_above(ends.get_buffer, release)
    ends.feed(ends.peer.write(b"data"))
    assert [name for name, *_ in ends.owner.calls] == ["fail"]
