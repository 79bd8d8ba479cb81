"""The handshake of TLS, with a peer by the ssl module."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import DATA, Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_a_server_is_told_at_once_and_a_client_at_the_end(
    run_asyncio: Run, new: Any, ours: str
) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        told = pair.above.calls == ["connection_made"]
        assert told is (ours == "server")
        assert not pair.tls.is_open
        while not (pair.peer.shake_hands() and pair.tls.is_open):
            pair.below.feed(pair.peer.outgoing.read())
            pair.peer.incoming.write(pair.below.take())
        assert pair.above.calls == ["connection_made"]
        assert pair.opened is None or pair.opened.done()

    run_asyncio(main())


def test_a_server_asks_openssl_for_nothing_before_something_has_come(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Else each silent connection would have OpenSSL's memory of a handshake."""
    calls = []

    class Counting(ssl.SSLObject):
        def do_handshake(self) -> None:
            calls.append(self)
            super().do_handshake()

    async def main() -> None:
        server_tls.sslobject_class = Counting
        pair = Pair(server_tls, client_tls)
        pair.begin()
        assert calls == []
        pair.connect()
        assert calls

    run_asyncio(main())


def test_what_is_written_before_the_end_of_the_handshake_is_sent_after_it(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        pair.above.on["connection_made"] = lambda: pair.tls.write(b"first")
        pair.connect()
        assert pair.peer.data == b"first"

    run_asyncio(main())


@pytest.mark.parametrize("piece", [1, 7, 500])
def test_a_handshake_in_pieces(run_asyncio: Run, new: Any, piece: int) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        while not (pair.peer.shake_hands() and pair.tls.is_open):
            sent = pair.peer.outgoing.read()
            for start in range(0, len(sent), piece):
                pair.below.feed(sent[start : start + piece])
            pair.peer.incoming.write(pair.below.take())
        pair.feed(b"data")
        assert pair.above.data == b"data"

    run_asyncio(main())


def test_data_that_comes_with_the_end_of_the_handshake(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        pair.begin()
        pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        pair.peer.incoming.write(pair.below.take())
        assert pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read() + pair.peer.write(DATA) + pair.peer.goodbye())
        assert pair.above.data == DATA
        assert pair.above.calls[-1] == "eof_received"

    run_asyncio(main())


def test_what_is_not_tls(run_asyncio: Run, new: Any, ours: str) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        pair.below.feed(b"GET / HTTP/1.1\r\n\r\n")
        assert pair.below.is_closing()
        assert pair.tls.is_closing()
        pair.below.lose()
        error = pair.above.error if ours == "server" else pair.opened.exception()
        assert isinstance(error, ssl.SSLError)
        assert pair.above.calls == ["connection_made", "connection_lost"] * (ours == "server")

    run_asyncio(main())


def test_a_certificate_that_is_not_believed(run_asyncio: Run, server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        pair = Pair(server_tls, ssl.create_default_context(), "client")
        pair.begin()
        pair.peer.incoming.write(pair.below.take())
        pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        assert pair.opened is not None
        with pytest.raises(ssl.SSLCertVerificationError):
            await pair.opened
        pair.peer.incoming.write(pair.below.take())
        with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
            pair.peer.object.do_handshake()

    run_asyncio(main())


def test_the_stream_ends_within_the_handshake(run_asyncio: Run, new: Any, ours: str) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        pair.below.end()
        assert pair.below.is_closing()
        pair.below.lose()
        error = pair.above.error if ours == "server" else pair.opened.exception()
        assert type(error) is ConnectionResetError

    run_asyncio(main())


@pytest.mark.parametrize("error", [None, ConnectionResetError(104, "reset")])
def test_the_connection_is_lost_within_the_handshake(
    run_asyncio: Run, new: Any, ours: str, error: Any
) -> None:
    async def main() -> None:
        pair = new()
        pair.begin()
        pair.below.lose(error)
        if ours == "server":
            assert pair.above.error is error
        else:
            assert isinstance(pair.opened.exception(), ConnectionResetError)
        pair.tls.write(b"late")
        pair.tls.close()
        pair.tls.abort()
        assert not pair.below.aborted

    run_asyncio(main())


def test_a_handshake_that_takes_too_long(run_asyncio: Run, new: Any, ours: str) -> None:
    async def main() -> None:
        pair = new(handshake_timeout=0.001)
        pair.begin()
        while not pair.below.aborted:
            await asyncio.sleep(0.001)
        pair.below.lose()
        error = pair.above.error if ours == "server" else pair.opened.exception()
        assert type(error) is ConnectionAbortedError
        assert "longer than 0.001 seconds: aborting" in str(error)

    run_asyncio(main())


def test_a_handshake_in_time_stops_the_timer(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        pair = new(handshake_timeout=0.01).connect()
        await asyncio.sleep(0.03)
        assert not pair.below.is_closing()

    run_asyncio(main())


def test_a_server_that_speaks_before_the_client_has_begun(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """uvloop does not expect its transport to be closed before it has returned it."""

    async def main() -> None:
        for ends in (False, True):
            pair = Pair(server_tls, client_tls, "client")
            pair.tls.connection_made(pair.below)  # type: ignore[arg-type]
            pair.below.feed(b"220 hello\r\n")
            if ends:
                pair.below.end()
            assert not pair.below.is_closing()
            pair.tls.begin()
            assert pair.below.is_closing()
            assert pair.opened is not None
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await pair.opened

    run_asyncio(main())


def test_a_client_that_gives_up_begins_nothing(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls, "client")
        pair.tls.connection_made(pair.below)  # type: ignore[arg-type]
        pair.tls.abort()
        pair.tls.begin()
        assert not pair.below.take()

    run_asyncio(main())


def test_tickets_of_a_session_are_no_data_and_can_be_used(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        first = Pair(server_tls, client_tls).connect()
        session = first.peer.object.session
        again = Pair(server_tls, client_tls, session=session).connect()
        assert again.peer.object.session_reused
        client = Pair(server_tls, client_tls, "client").connect()
        assert client.tls.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert client.above.calls == ["connection_made"]

    run_asyncio(main())
