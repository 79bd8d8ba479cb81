"""TLS over a transport that notes what it gets, with a peer by the ssl module."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.tls_pair import DATA, Above, Copying, Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 100, 16384, 1 << 18])
@pytest.mark.parametrize("piece", [1, 23, 17000, None])
def test_records_in_pieces_of_any_size(run_asyncio: Run, new: Any, piece: Any, room: int) -> None:
    data = DATA[: 3000 if piece == 1 or room == 1 else None]

    async def main() -> None:
        pair = new(above=Above(room)).connect()
        pair.feed(data, piece)
        while len(pair.above.data) < len(data):
            await asyncio.sleep(0)
        assert pair.above.data == data
        assert pair.below.reading

    run_asyncio(main())


def test_one_read_is_handed_on_at_once(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(above=Above(1 << 18)).connect()
        pair.below.feed(b"".join(pair.peer.write(DATA[:100]) for _ in range(32)))
        assert pair.above.calls == ["connection_made", "buffer_updated"]
        pair.feed(DATA)
        assert pair.above.calls.count("buffer_updated") == 2

    run_asyncio(main())


def test_pausing_gives_nothing_until_reading_goes_on(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(above=Above(1000)).connect()
        pair.above.on["buffer_updated"] = pair.tls.pause_reading
        pair.feed(DATA)
        assert len(pair.above.data) == 1000
        assert not pair.below.reading
        assert not pair.tls.is_reading()
        pair.below.feed(pair.peer.write(b"more"))  # was on its way
        assert len(pair.above.data) == 1000
        del pair.above.on["buffer_updated"]
        pair.tls.resume_reading()
        while len(pair.above.data) < len(DATA) + 4:
            await asyncio.sleep(0)
        assert pair.above.data == DATA + b"more"
        assert pair.below.reading
        assert pair.tls.is_reading()

    run_asyncio(main())


def test_pausing_with_nothing_on_its_way(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        for _ in range(2):
            pair.tls.pause_reading()
            pair.tls.pause_reading()
            assert not pair.below.reading
            pair.tls.resume_reading()
            pair.tls.resume_reading()
            assert pair.below.reading
        pair.feed(b"data")
        assert pair.above.data == b"data"

    run_asyncio(main())


def test_paused_within_the_handshake(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        pair.above.on["connection_made"] = pair.tls.pause_reading
        pair.connect()
        assert not pair.below.reading
        pair.below.feed(pair.peer.write(b"data"))
        assert not pair.above.data
        pair.tls.resume_reading()
        await asyncio.sleep(0)
        assert pair.above.data == b"data"

    run_asyncio(main())


@pytest.mark.parametrize("how", ["close_notify", "cut off"])
def test_the_end_waits_until_reading_goes_on(run_asyncio: Run, new: Any, how: str) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.tls.pause_reading()
        pair.below.feed(pair.peer.write(b"last"))
        if how == "close_notify":
            pair.below.feed(pair.peer.goodbye())
        pair.below.end()
        assert "eof_received" not in pair.above.calls
        assert not pair.below.is_closing()
        pair.tls.resume_reading()
        await asyncio.sleep(0)
        assert pair.above.calls[-2:] == ["buffer_updated", "eof_received"]
        assert pair.below.closed

    run_asyncio(main())


def test_a_flood_of_small_records_takes_turns(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(above=Above(1)).connect()
        pair.below.feed(pair.peer.write(DATA[:5000], size=1))
        got = len(pair.above.data)
        assert 0 < got < 1000
        assert not pair.below.reading
        await asyncio.sleep(0)
        assert got < len(pair.above.data) < 2000
        while len(pair.above.data) < 5000:
            await asyncio.sleep(0)
        assert pair.above.data == DATA[:5000]
        assert pair.below.reading

    run_asyncio(main())


def test_a_protocol_that_wants_copies(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        other = Copying()
        pair.above.on["buffer_updated"] = lambda: pair.tls.set_protocol(other)
        pair.feed(b"one")
        assert pair.tls.get_protocol() is other
        pair.feed(DATA)
        assert (pair.above.data, other.data) == (b"one", DATA)
        pair.tls.set_protocol(pair.above)
        del pair.above.on["buffer_updated"]
        pair.feed(b"two")
        assert pair.above.data == b"onetwo"

    run_asyncio(main())


def test_a_broken_record_ends_the_connection(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        broken = bytearray(pair.peer.write(b"data"))
        broken[-1] ^= 1
        pair.below.feed(bytes(broken))
        assert pair.below.closed
        assert pair.below.take()  # an alert
        pair.below.feed(pair.peer.write(b"more"))
        pair.below.lose()
        assert pair.above.calls == ["connection_made", "connection_lost"]
        assert isinstance(pair.above.error, ssl.SSLError)

    run_asyncio(main())


# What can be asked for ---------------------------------------------------------------------------


def test_extra_information(run_asyncio: Run, new: Any, ours: str) -> None:
    async def main() -> None:
        pair = new()
        assert pair.tls.get_extra_info("peername", 5) == 5
        assert isinstance(pair.tls.get_extra_info("sslcontext"), ssl.SSLContext)
        assert pair.tls.get_extra_info("cipher", 7) == 7
        assert "opening" in repr(pair.tls)
        pair.connect()
        assert pair.tls.get_extra_info("peername") == ("127.0.0.1", 7)
        assert pair.tls.get_extra_info("nothing", 3) == 3
        assert pair.tls.get_extra_info("compression") is None
        assert pair.tls.get_extra_info("cipher")[1] == "TLSv1.3"
        assert isinstance(pair.tls.get_extra_info("ssl_object"), ssl.SSLObject)
        peercert = pair.tls.get_extra_info("peercert")
        assert bool(peercert) is (ours == "client")
        assert "open" in repr(pair.tls)
        pair.below.lose()
        assert pair.tls.get_extra_info("peername") == ("127.0.0.1", 7)
        assert "closing" in repr(pair.tls)

    run_asyncio(main())


def test_alpn(run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    server_tls.set_alpn_protocols(["http/1.1"])
    client_tls.set_alpn_protocols(["h2", "http/1.1"])

    async def main() -> None:
        pair = Pair(server_tls, client_tls).connect()
        made = pair.tls.get_extra_info("ssl_object")
        assert made.selected_alpn_protocol() == "http/1.1"

    run_asyncio(main())


# Against a model ---------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "peer", "feed", "full", "free", "pause", "resume", "turn"]),
        st.integers(1, 40_000),
    ),
    max_size=40,
)


class Model:
    """What both ends have written, and what of that is on its way to us."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.sent, self.received, self.waiting = bytearray(), bytearray(), bytearray()

    async def act(self, action: str, size: int, data: bytes) -> None:
        tls, below = self.pair.tls, self.pair.below
        if action == "write":
            tls.write(data)
            self.sent += data
        elif action == "peer":
            self.waiting += self.pair.peer.write(data)
            self.received += data
        elif action == "feed" and below.reading:
            below.feed(bytes(self.waiting[:size]))
            del self.waiting[:size]
        elif action == "full" and not below.full:
            below.pause()
        elif action == "free" and below.full:
            await below.resume()
        elif action in ("pause", "resume"):
            getattr(tls, f"{action}_reading")()
        else:
            await asyncio.sleep(0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, room=st.sampled_from([3, 1000, 1 << 18]))
def test_both_streams_arrive_whole_whatever_happens(
    run_asyncio: Run,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    actions: list[tuple[str, int]],
    room: int,
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls, above=Above(room)).connect()
        model = Model(pair)
        for action, size in actions:
            await model.act(action, size, DATA[size : size + size // (20 if room == 3 else 1)])
        await model.act("free", 0, b"")
        pair.tls.resume_reading()
        pair.below.feed(bytes(model.waiting))
        while len(pair.above.data) < len(model.received):
            await asyncio.sleep(0)
        pair.pass_on()
        assert pair.above.data == model.received
        assert pair.peer.data == model.sent
        told = [call for call in pair.above.calls if call.endswith("_writing")]
        assert told == ["pause_writing", "resume_writing"] * (len(told) // 2)

    run_asyncio(main())
