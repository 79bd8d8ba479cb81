"""What nodes tell each other: what comes back, and what is no packet."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.codes import Opcode
from wscore.hub import Position, Publication
from wscore.hub.broker import Encoded
from wscore.hub.redis.packet import (
    KINDS,
    Packet,
    PacketError,
    UnknownVersionError,
    decode,
    encode,
    encode_message,
    message_in,
    packet_of,
    publication_of,
    unstamp,
)

NODE = bytes(range(16))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
PACKETS = st.builds(
    Packet,
    st.sampled_from(KINDS),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**64 - 1),
    TEXT,
    TEXT | st.binary(max_size=200),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
)
SMALL = encode(Packet("message", NODE, 7, "room", "é", "ann", None, None))


@given(PACKETS)
def test_comes_back(packet: Packet) -> None:
    assert decode(encode(packet)) == packet


def test_the_bytes_are_those_that_nodes_of_this_version_know() -> None:
    packet = Packet("join", NODE, 0x0102, "ü", b"\x00\xff", "ann", "me", "[1]")
    assert encode(packet) == (
        b"WSC\x01\x01\x0e" + NODE + bytes(6) + b"\x01\x02"
        b"\x00\x02\x00\x03\x00\x02\x00\x00\x00\x03\x00\x00\x00\x02"
        + "ü".encode()
        + b"annme[1]\x00\xff"
    )


@given(PACKETS, st.data())
def test_cut_or_continued_it_is_none(packet: Packet, data: st.DataObject) -> None:
    whole = encode(packet)
    with pytest.raises(PacketError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(PacketError):
        decode(whole + data.draw(st.binary(min_size=1, max_size=9)))


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"WSC\x01".__add__))
def test_any_bytes(data: bytes) -> None:
    """Nothing but a packet or a PacketError comes of them."""
    try:
        packet = decode(data)
    except PacketError:
        return
    assert encode(packet) == data


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_one_byte_changed(at: int, value: int) -> None:
    changed = SMALL[:at] + bytes([value]) + SMALL[at + 1 :]
    try:
        packet = decode(changed)
    except PacketError:
        return
    assert isinstance(packet, Packet)


@pytest.mark.parametrize("at", [3, 4], ids=["version", "kind"])
def test_of_a_newer_version(at: int) -> None:
    with pytest.raises(UnknownVersionError):
        decode(SMALL[:at] + b"\x63" + SMALL[at + 1 :])


@pytest.mark.parametrize("epoch", ["0123456789abcdef", "f" * 16])
@pytest.mark.parametrize("offset", [1, 10**9, 2**63])
def test_a_position_in_front(epoch: str, offset: int) -> None:
    stamped = f"WSP{epoch}{offset:020}".encode() + SMALL
    assert unstamp(stamped) == (Position(epoch, offset), SMALL)
    assert unstamp(SMALL) == (None, SMALL)


@pytest.mark.parametrize(
    "stamp",
    [b"WSP", b"WSP" + b"a" * 16, b"WSP" + b"a" * 16 + b"1" * 19, b"WSP" + b"-" * 16 + b"1" * 20,
     b"WSP" + b"a" * 16 + b"x" * 20, b"WSP" + b"a" * 16 + b"-" + b"1" * 19],
)  # fmt: skip
def test_a_position_that_is_none(stamp: bytes) -> None:
    with pytest.raises(PacketError):
        unstamp(stamp)


@pytest.mark.parametrize(
    "publication",
    [
        Publication("room", "text", None, NODE.hex()),
        Publication("room", b"bytes", Position("e", 3), NODE.hex(), "ann"),
        Publication("room", "", None, NODE.hex(), None, "join", {"é": [1, None]}, "id"),
        Publication("room", "", None, NODE.hex(), None, "leave", None, "id"),
    ],
)
def test_a_publication_comes_back(publication: Publication) -> None:
    packet = decode(encode(packet_of(publication, NODE, 1)))
    assert publication_of(packet, publication.position) == publication


@pytest.mark.parametrize(
    "packet",
    [Packet("ask", NODE, 1, "room"), Packet("answer", NODE, 1, "room"),
     Packet("join", NODE, 1, "room", info="{")],
)  # fmt: skip
def test_what_is_no_publication(packet: Packet) -> None:
    with pytest.raises(PacketError):
        publication_of(packet, None)


def test_info_is_json() -> None:
    packet = packet_of(Publication("r", "", None, "", None, "join", {"a": "é"}, "id"), NODE, 1)
    assert json.loads(packet.info or "") == {"a": "é"}


MESSAGES = st.builds(
    Packet, st.just("message"), st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1),
    TEXT, TEXT | st.binary(max_size=200), st.none(), st.none(), st.none(),
)  # fmt: skip


def in_sockets(packet: Packet) -> Encoded:
    message = packet.message
    if isinstance(message, str):
        return Encoded(Opcode.TEXT, message.encode())
    return Encoded(Opcode.BINARY, message)


@given(MESSAGES)
def test_a_message_as_it_goes_to_sockets(packet: Packet) -> None:
    encoded = in_sockets(packet)
    data = encode_message(packet.node, packet.number, packet.room, encoded)
    assert data == encode(packet)
    assert message_in(data, packet.room.encode()) == (packet.node, encoded)


@given(PACKETS, TEXT)
def test_only_messages_of_the_room_without_anything_else_take_the_short_way(
    packet: Packet, room: str
) -> None:
    is_bare = packet.kind == "message" and (packet.sender, packet.id, packet.info) == (None,) * 3
    found = message_in(encode(packet), room.encode())
    assert (found is not None) == (is_bare and packet.room == room)
    found = message_in(encode(packet), packet.room.encode())
    assert found == ((packet.node, in_sockets(packet)) if is_bare else None)


@given(MESSAGES, st.data())
def test_what_takes_the_short_way_is_what_the_long_one_finds(
    packet: Packet, data: st.DataObject
) -> None:
    whole = encode(packet)
    at = data.draw(st.integers(0, len(whole) - 1))
    for changed in (
        whole[:at],
        whole + b"x",
        whole[:at] + data.draw(st.binary(min_size=1, max_size=1)) + whole[at + 1 :],
    ):
        found = message_in(changed, packet.room.encode())
        if found is not None:
            seen = decode(changed)
            assert (seen.node, in_sockets(seen)) == found
            assert seen == Packet("message", seen.node, seen.number, packet.room, seen.message)


def test_text_that_is_not_utf8_does_not_take_it() -> None:
    data = encode(Packet("message", NODE, 1, "room", b"\xff"))
    assert message_in(data, b"room") == (NODE, (Opcode.BINARY, b"\xff"))
    assert message_in(data[:5] + b"\x01" + data[6:], b"room") is None
