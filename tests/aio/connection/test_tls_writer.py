"""What TLS writes, and when it does not."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import DATA, Pair, record_lengths

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [1, 16384, 16385, len(DATA)])
def test_writes_are_cut_into_records(run_asyncio: Run, new: Any, kind: Any, size: int) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.tls.write(kind(DATA[:size]))
        lengths = record_lengths(bytes(pair.below.written))
        assert len(lengths) == -(-size // 16384)
        assert max(lengths) <= 16384 + 256
        pair.pass_on()
        assert pair.peer.data == DATA[:size]
        pair.tls.write(b"")
        assert not pair.below.written

    run_asyncio(main())


def test_several_writes_as_one(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.tls.writelines([b"head", memoryview(DATA[:40000]), b"", b"head", b"tail"])
        assert len(record_lengths(bytes(pair.below.written))) == 6
        pair.pass_on()
        assert pair.peer.data == b"head" + DATA[:40000] + b"headtail"

    run_asyncio(main())


def test_what_was_held_shares_records(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.pause()
        for _ in range(10):
            pair.tls.writelines([b"head", memoryview(DATA[:4000])])
        await pair.below.resume()
        assert len(record_lengths(bytes(pair.below.written))) == 3
        pair.pass_on()
        assert pair.peer.data == (b"head" + DATA[:4000]) * 10

    run_asyncio(main())


def test_no_more_is_encrypted_than_the_transport_below_takes(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.on_write = lambda below: below.full or below.pause()
        held = bytearray(DATA)
        pair.tls.write(held)
        held[:] = bytes(len(held))  # it is the caller's
        first = len(pair.below.written)
        assert first < 150_000
        assert pair.above.calls == ["connection_made", "pause_writing"]
        pair.below.size = 5
        assert pair.tls.get_write_buffer_size() == len(DATA) - 8 * 16384 + 5
        pair.tls.write(b"more")
        assert len(pair.below.written) == first
        pair.below.on_write = None
        await pair.below.resume()
        assert pair.above.calls == ["connection_made", "pause_writing", "resume_writing"]
        pair.pass_on()
        assert pair.peer.data == DATA + b"more"

    run_asyncio(main())


def test_full_again_before_writing_went_on(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        pair.below.pause()
        pair.tls.write(b"data")
        pair.below.protocol.resume_writing()
        pair.below.pause()
        await asyncio.sleep(0)
        assert not pair.below.written
        await pair.below.resume()
        pair.pass_on()
        assert pair.peer.data == b"data"
        assert pair.above.calls[-2:] == ["pause_writing", "resume_writing"]

    run_asyncio(main())


def test_the_marks(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new().connect()
        for given_, marks in (
            ((None, None), (16384, 65536)), ((100, None), (25, 100)), ((None, 100), (100, 400)),
            ((0, 0), (0, 0)), ((7, 5), (5, 7)),
        ):  # fmt: skip
            pair.tls.set_write_buffer_limits(*given_)
            assert pair.tls.get_write_buffer_limits() == marks
            assert pair.below.limits == marks[::-1]
        with pytest.raises(ValueError, match="high"):
            pair.tls.set_write_buffer_limits(1, 2)
        assert not pair.tls.can_write_eof()
        with pytest.raises(NotImplementedError):
            pair.tls.write_eof()

    run_asyncio(main())


def asking_pair(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, certificate: Any) -> Pair:
    """A client whose peer may ask it for its certificate at any time."""
    client_tls.post_handshake_auth = True
    client_tls.load_cert_chain(certificate)
    server_tls.load_verify_locations(certificate)
    server_tls.verify_mode = ssl.CERT_OPTIONAL
    return Pair(server_tls, client_tls, "client").connect()


def test_a_peer_that_makes_us_answer_and_does_not_read(
    run_asyncio: Run,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    certificate: Any,
) -> None:
    async def main() -> None:
        pair = asking_pair(server_tls, client_tls, certificate)
        pair.below.pause()
        pair.peer.object._sslobj.verify_client_post_handshake()  # type: ignore[attr-defined]
        pair.below.feed(pair.peer.write(b"who are you?"))
        assert pair.above.data == b"who are you?"
        assert not pair.below.written
        assert not pair.below.reading
        await pair.below.resume()
        assert pair.below.reading
        pair.pass_on()
        assert pair.peer.object.getpeercert()

    run_asyncio(main())


def test_a_peer_that_makes_us_answer_gets_its_answer(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, certificate: Any
) -> None:
    """At once, without any data."""

    async def main() -> None:
        pair = asking_pair(server_tls, client_tls, certificate)
        pair.peer.object._sslobj.verify_client_post_handshake()  # type: ignore[attr-defined]
        pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        pair.pass_on()
        assert pair.peer.object.getpeercert()
        assert pair.above.calls == ["connection_made"]

    run_asyncio(main())
