"""What others publish in the channels of a hub: counted, given to nobody, and soon over."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hubs import guests, heard
from support.node_hubs import end_of, joined, nodes
from support.rawpeer import until

from wscore.hub.redis.packet import KINDS, Packet, PacketError, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]

ROOMS = ("plain", "history:1")
NODE = b"x" * 16
SIZES_AT, SIZES = 30, struct.Struct(">HHHII")
FEW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def stamped(data: bytes, epoch: str, offset: int) -> bytes:
    return f"WSP{epoch}{offset:020}".encode() + data


def is_foreign(data: bytes) -> bool:
    """Whether *data* is nothing that nodes publish in these rooms, nor ask each other."""
    try:
        packet = decode(data)
    except PacketError:
        return True
    return packet.kind not in ("ask", "answer") and packet.room not in ROOMS


@st.composite
def lying(draw: st.DrawFn) -> bytes:
    """A packet that does not have the lengths that it tells."""
    room = draw(st.sampled_from(ROOMS))
    parts = {name: draw(st.none() | st.text(max_size=3)) for name in ("sender", "id", "info")}
    data = bytearray(encode(Packet("message", NODE, 1, room, draw(st.text(max_size=5)), **parts)))
    told = list(SIZES.unpack_from(data, SIZES_AT))
    at = draw(st.integers(0, 4))
    told[at] = draw(st.integers(0, 2**16 - 1 if at < 3 else 2**32 - 1))
    SIZES.pack_into(data, SIZES_AT, *told)
    return bytes(data)


HEADS = st.sampled_from([b"", b"WSC", b"WSC\x01", b"WSC\x01\x00\x01" + NODE, b"WSP", b"canary "])
FOREIGN = (lying() | st.tuples(HEADS, st.binary(max_size=80)).map(b"".join)).filter(is_foreign)


@FEW
@given(sent=st.lists(st.tuples(FOREIGN, st.none() | st.integers(-1, 3)), min_size=1, max_size=8))
def test_whatever_others_publish(
    run: Run,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    sent: list[tuple[bytes, int | None]],
) -> None:
    """Also at positions that the history has, or is about to have."""

    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (plain, kept):
            for room, guest in zip(ROOMS, (plain, kept), strict=True):
                await joined(redis_server, room, (one, guest.server))
            two.publish("history:1", "first")
            assert await heard(kept.client, 1) == ["first"]
            epoch, offset = await end_of(one, kept.server, "history:1")
            for data, ahead in sent:
                payload = data if ahead is None else stamped(data, epoch, offset + ahead)
                for channel in (*(f"r:{room}" for room in ROOMS), f"n:{one._node.id}"):
                    redis_server.do("PUBLISH", f"wscore:{channel}", payload)
            for number in range(3):
                for room, guest in zip(ROOMS, (plain, kept), strict=True):
                    two.publish(room, f"{number} in {room}")
                    assert await heard(guest.client, 1) == [f"{number} in {room}"]
            assert (one.stats.link, one.stats.reconnects, one.stats.missed) == ("up", 0, 0)
            assert one.stats.foreign >= len(sent)

    run(main())
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    caplog.clear()


@pytest.mark.parametrize("kind", [*KINDS[:3], "ask"])
def test_a_packet_for_another_room(run: Run, redis_server: RedisServer, kind: str) -> None:
    """Nobody gets it: neither there nor where it says that it belongs."""

    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (plain, kept):
            for room, guest in zip(ROOMS, (plain, kept), strict=True):
                await joined(redis_server, room, (one, guest.server))
            epoch, offset = await end_of(one, kept.server, "history:1")
            for room, other in (ROOMS, ROOMS[::-1]):
                data = encode(Packet(kind, NODE, 1, other, "x", id="x"))
                for payload in (data, stamped(data, epoch, offset + 1)):
                    before = one.stats.foreign
                    redis_server.do("PUBLISH", f"wscore:r:{room}", payload)
                    await until(lambda before=before: one.stats.foreign > before)
                redis_server.do("PUBLISH", f"wscore:n:{one._node.id}", data)
            for room, guest in zip(ROOMS, (plain, kept), strict=True):
                two.publish(room, "on")
                assert await heard(guest.client, 1) == ["on"]

    run(main())
