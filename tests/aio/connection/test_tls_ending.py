"""How TLS ends."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import DATA, Above

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_closing_says_goodbye_and_waits_for_the_peers(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.tls.write(b"last")
        pair.tls.close()
        pair.tls.close()
        assert pair.tls.is_closing()
        pair.tls.write(b"too late")
        pair.tls.writelines([b"too late"])
        pair.pass_on()
        assert pair.peer.data == b"last"
        assert pair.peer.ended
        assert not pair.below.is_closing()
        pair.below.feed(pair.peer.write(DATA))  # was on its way
        assert not pair.below.is_closing()
        pair.below.feed(pair.peer.goodbye())
        assert pair.below.closed
        pair.below.lose()
        assert pair.above.calls == ["connection_made", "connection_lost"]
        assert pair.above.error is None

    run_asyncio(main())


def test_closing_with_unread_data(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(above=Above(10)).connect()
        pair.tls.pause_reading()
        pair.below.feed(pair.peer.write(DATA))
        assert not pair.below.reading
        pair.tls.close()
        assert pair.below.reading
        pair.pass_on()
        assert pair.peer.ended
        assert not pair.above.data
        pair.below.end()
        assert pair.below.closed

    run_asyncio(main())


def test_closing_sends_what_waits_first(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.pause()
        pair.tls.write(DATA)
        pair.tls.close()
        pair.below.feed(pair.peer.write(b"read all the same"))
        assert not pair.below.written
        await pair.below.resume()
        pair.pass_on()
        assert (pair.peer.data, pair.peer.ended) == (DATA, True)

    run_asyncio(main())


def test_a_peer_that_does_not_say_goodbye(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(shutdown_timeout=0.001).connect()
        pair.tls.close()
        while not pair.below.aborted:
            await asyncio.sleep(0.001)
        pair.below.lose()
        assert type(pair.above.error) is TimeoutError
        assert str(pair.above.error) == "SSL shutdown timed out"

    run_asyncio(main())


def test_the_peer_says_goodbye(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.feed(pair.peer.write(b"last") + pair.peer.goodbye())
        assert pair.above.calls == ["connection_made", "buffer_updated", "eof_received"]
        assert pair.tls.is_closing()
        pair.pass_on()
        assert pair.peer.ended
        assert pair.below.closed
        pair.below.lose()
        assert pair.above.error is None

    run_asyncio(main())


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("more", [b"\x17", b"no TLS", bytes(200_000)], ids=len)
def test_what_comes_after_goodbye_does_not_matter(
    run_asyncio: Run, new: Any, more: bytes, paused: bool
) -> None:
    """OpenSSL does not look at it, so that nobody may wait until it has."""

    async def main() -> None:
        pair = new().connect()
        if paused:
            pair.tls.pause_reading()
        pair.below.feed(pair.peer.write(b"last") + pair.peer.goodbye() + more)
        if paused:
            assert not pair.tls.is_closing()
            pair.tls.resume_reading()
            await asyncio.sleep(0)
        assert pair.above.calls == ["connection_made", "buffer_updated", "eof_received"]
        assert pair.above.data == b"last"
        assert pair.below.closed

    run_asyncio(main())


def test_a_stream_that_is_cut_off_ends_as_with_asyncio(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.feed(pair.peer.write(b"last") + pair.peer.write(b"half")[:-1])
        pair.below.end()
        assert pair.above.data == b"last"
        assert pair.above.calls[-1] == "eof_received"
        assert pair.below.closed
        pair.below.lose()
        assert pair.above.error is None

    run_asyncio(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_the_end_within_the_handshake(run_asyncio: Run, new: Any, end: str) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        getattr(pair.tls, end)()
        assert pair.below.aborted
        pair.below.feed(b"\x16\x03\x01")
        pair.below.lose()
        assert pair.above.error == (None if pair.opened is None else "not lost")

    run_asyncio(main())


def test_aborting(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.pause()
        pair.tls.write(DATA)
        pair.tls.abort()
        assert pair.below.aborted
        assert pair.tls.get_write_buffer_size() == 0
        await pair.below.resume()
        assert not pair.below.written
        pair.below.lose()
        assert pair.above.error is None

    run_asyncio(main())


def test_the_error_of_the_transport_below_is_passed_on(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        error = ConnectionResetError(104, "reset")
        pair.below.lose(error)
        assert pair.above.error is error
        assert pair.tls.is_closing()

    run_asyncio(main())


def test_the_end_can_be_asked_for_the_certificate(run_asyncio: Run, new: Any) -> None:
    """OpenSSL counts a handshake as not done after an error."""

    async def main() -> None:
        pair = new().connect()
        found: list[Any] = []
        names = ("peercert", "cipher", "compression", "ssl_object")
        pair.above.on["connection_lost"] = lambda: found.extend(map(pair.tls.get_extra_info, names))
        pair.below.feed(b"\x17\x03\x03\x00\x40" + bytes(64))
        pair.below.lose()
        assert isinstance(pair.above.error, ssl.SSLError)
        assert found[0] is None
        assert found[1]
        assert found[3] is not None

    run_asyncio(main())


@pytest.mark.cpython
def test_nothing_is_kept_after_the_end(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        above = weakref.ref(pair.above)
        records = pair.tls._records
        pair.below.lose()
        gc.disable()
        try:
            pair.above = pair.below.protocol = None
            assert above() is None
            tls, pair.tls = pair.tls, None
            before = len(gc.get_referrers(records))
            del tls
            assert len(gc.get_referrers(records)) < before
        finally:
            gc.enable()

    run_asyncio(main())
