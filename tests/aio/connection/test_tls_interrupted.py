"""TLS when its callbacks do what they like."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import DATA, Above, Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("callback", ["buffer_updated", "get_buffer"])
def test_more_is_read_within_a_callback(run_asyncio: Run, new: Any, callback: str) -> None:
    """The loop runs within itself, or a signal handler runs it."""

    async def main() -> None:
        pair = new(above=Above(50)).connect()

        def read_more() -> None:
            del pair.above.on[callback]
            pair.feed(b"2" * 300)

        pair.above.on[callback] = read_more
        pair.feed(b"1" * 300)
        while len(pair.above.data) < 600:
            await asyncio.sleep(0)
        assert sorted(pair.above.data) == [*b"1" * 300, *b"2" * 300]
        if callback == "get_buffer":
            assert pair.above.data == b"1" * 300 + b"2" * 300

    run_asyncio(main())


@pytest.mark.parametrize("end", ["close", "abort", "end", "lose"])
def test_the_end_comes_while_decrypting(run_asyncio: Run, new: Any, end: str) -> None:
    async def main() -> None:
        pair = new().connect()

        def interrupt() -> None:
            del pair.above.on["get_buffer"]
            getattr(pair.below if end in ("end", "lose") else pair.tls, end)()

        pair.above.on["get_buffer"] = interrupt
        pair.feed(b"data")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if end == "lose":
            assert pair.above.calls == ["connection_made", "connection_lost"]
            return
        assert pair.above.data == (b"data" if end == "end" else b"")
        if end == "close":
            pair.pass_on()
            assert pair.peer.ended
        assert pair.below.is_closing() is (end != "close")

    run_asyncio(main())


def test_more_is_written_within_a_write(run_asyncio: Run, new: Any) -> None:
    async def main() -> None:
        for size in (1, 50_000):
            pair = new().connect()

            def write_more(below: Any) -> None:
                below.on_write = None
                pair.tls.write(b"2" * 100)  # noqa: B023

            pair.below.on_write = write_more
            pair.tls.write(b"1" * size)
            pair.pass_on()
            assert pair.peer.data == b"1" * size + b"2" * 100

    run_asyncio(main())


CALLBACKS = ["connection_made", "buffer_updated", "eof_received", "pause_writing",
             "resume_writing", "connection_lost"]  # fmt: skip


async def all_callbacks(pair: Pair) -> None:
    """Have each callback called that is still called."""
    pair.begin()
    for _ in range(3):
        if not pair.below.is_closing():
            pair.peer.shake_hands()
            pair.below.feed(pair.peer.outgoing.read())
            pair.peer.incoming.write(pair.below.take())
    if pair.tls.is_open and not pair.below.is_closing():
        pair.feed(b"data")
        pair.below.pause()
        pair.tls.write(DATA)
        await pair.below.resume()
    if pair.tls.is_open and not pair.below.is_closing():
        pair.below.feed(pair.peer.goodbye())
        pair.below.end()
    await asyncio.sleep(0)
    assert pair.below.is_closing()
    pair.below.lose()


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_closing_in_any_callback(
    reported: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, callback: str, how: str
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        pair.above.on[callback] = getattr(pair.tls, how)
        await all_callbacks(pair)
        assert pair.above.calls.count("connection_lost") == 1
        if callback != "resume_writing":
            assert pair.above.calls[-1] == "connection_lost"
        assert pair.above.error is None

    assert reported(main) == []


@pytest.mark.parametrize("callback", ["buffer_updated", "eof_received", "get_buffer"])
def test_an_error_in_a_callback_ends_the_connection(
    reported: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, callback: str
) -> None:
    error = ZeroDivisionError()

    async def main() -> None:
        pair = Pair(server_tls, client_tls)

        def fail() -> None:
            raise error

        pair.above.on[callback] = fail
        await all_callbacks(pair)
        assert pair.above.error is error

    [context] = reported(main)
    assert context["exception"] is error


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing"])
def test_an_error_in_flow_control_is_reported(reported: Any, new: Any, callback: str) -> None:
    error = ZeroDivisionError()

    async def main() -> None:
        pair = new().connect()

        def fail() -> None:
            raise error

        pair.above.on[callback] = fail
        pair.below.pause()
        pair.tls.write(DATA)
        await pair.below.resume()
        pair.pass_on()
        assert pair.peer.data == DATA

    [context] = reported(main)
    assert (context["exception"], context["message"]) == (error, f"protocol.{callback}() failed")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("callback", CALLBACKS[1:-1])
def test_an_exit_passes_through_a_callback_and_leaves_all_in_order(
    reported: Any, new: Any, callback: str, kind: Any
) -> None:
    async def main() -> None:
        pair = new(above=Above(100)).connect()

        def leave() -> None:
            del pair.above.on[callback]
            raise kind

        pair.above.on[callback] = leave
        if callback == "buffer_updated":
            with pytest.raises(kind):
                pair.feed(b"1" * 250)
            await asyncio.sleep(0)
            assert pair.above.data == b"1" * 250
        elif callback == "eof_received":
            with pytest.raises(kind):
                pair.below.feed(pair.peer.goodbye())
            assert pair.below.closed
        else:
            pair.below.pause()
            if callback == "pause_writing":
                with pytest.raises(kind):
                    pair.tls.write(b"data")
                await pair.below.resume()
            else:
                pair.tls.write(b"data")
                pair.below.protocol.resume_writing()
                with pytest.raises(kind):
                    pair.tls._resume()
            pair.pass_on()
            assert pair.peer.data == b"data"

    assert reported(main) == []


@pytest.mark.parametrize("callback", ["get_buffer"])
def test_an_exit_while_decrypting_drops_the_connection(
    reported: Any, new: Any, callback: str
) -> None:
    async def main() -> None:
        pair = new().connect()

        def leave() -> None:
            raise KeyboardInterrupt

        pair.above.on[callback] = leave
        with pytest.raises(KeyboardInterrupt):
            pair.feed(b"data")
        assert pair.below.aborted

    assert reported(main) == []


# What runs within OpenSSL, or between its records -------------------------------------------------


def test_more_comes_within_a_callback_of_the_context(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """It may run the loop; OpenSSL crashes if it is called within itself."""

    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        second = b"\x14\x03\x03\x00\x01\x01"  # a message that TLS 1.3 ignores

        def look_up(made: Any, name: str, context: Any) -> None:
            assert name == "localhost"
            pair.below.feed(second)
            pair.tls.go_on()

        server_tls.sni_callback = look_up
        pair.begin()
        pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        pair.peer.incoming.write(pair.below.take())
        assert pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        assert pair.tls.is_open
        pair.feed(b"data")
        await asyncio.sleep(0)
        assert pair.above.data == b"data"

    run_asyncio(main())


@pytest.mark.parametrize("end", ["close", "abort", "end", "lose"])
def test_the_end_comes_within_a_callback_of_the_context(
    run_asyncio: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, end: str
) -> None:
    async def main() -> None:
        pair = Pair(server_tls, client_tls)
        whose = pair.below if end in ("end", "lose") else pair.tls
        server_tls.sni_callback = lambda *_: getattr(whose, end)()
        pair.begin()
        pair.peer.shake_hands()
        pair.below.feed(pair.peer.outgoing.read())
        await asyncio.sleep(0)
        if end != "lose":
            assert pair.below.aborted
            pair.below.lose()
        assert pair.above.calls == ["connection_made", "connection_lost"]
        assert not pair.tls.is_open

    run_asyncio(main())


def test_what_is_decrypted_already_stays_while_the_loop_runs(
    run_asyncio: Run, new: Any, ours: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A callback of the context may run it, and so `go_on`."""

    async def main() -> None:
        calls = interruptions = 0

        def interrupt(*message: Any) -> None:
            nonlocal calls, interruptions
            calls += 1
            if len(data) == 300 and calls % 50 == 0:
                interruptions += 1
                pair.tls.go_on()

        data = b""
        context = server_tls if ours == "server" else client_tls
        context._msg_callback = interrupt  # type: ignore[attr-defined]
        pair = new().connect()
        data = b"".join(b"%03d" % number for number in range(100))
        pair.below.feed(pair.peer.write(data, size=3))
        await asyncio.sleep(0)
        assert interruptions > 1
        assert pair.above.data == data

    run_asyncio(main())


# What cannot be finished -------------------------------------------------------------------------


def test_an_exit_within_the_handshake_drops_the_connection(run_asyncio: Run, new: Any) -> None:
    class Leaving:
        def do_handshake(self) -> None:
            raise KeyboardInterrupt

    async def main() -> None:
        pair = new()
        pair.begin()
        pair.tls._object = Leaving()
        with pytest.raises(KeyboardInterrupt):
            pair.below.feed(b"hello")
        assert pair.below.aborted

    run_asyncio(main())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_of_who_is_told_of_errors_leaves_nothing_open(
    run_asyncio: Run, new: Any, kind: Any
) -> None:
    def leave(loop: Any, context: Any) -> None:
        raise kind

    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        pair = new().connect()
        asyncio.get_running_loop().set_exception_handler(leave)
        pair.above.on["buffer_updated"] = fail
        with pytest.raises(kind):
            pair.feed(b"data")
        assert pair.below.is_closing()
        pair.below.lose()
        assert isinstance(pair.above.error, ZeroDivisionError)

    run_asyncio(main())


@pytest.mark.parametrize("how", ["close", "fail"])
def test_a_timer_that_cannot_be_started_leaves_nothing_open(
    run_asyncio: Run, new: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """There is no memory for it, or asyncio's debug mode finds the wrong thread."""

    async def main() -> None:
        pair = new().connect()
        loop = asyncio.get_running_loop()

        def fail(*_: Any, **__: Any) -> None:
            raise MemoryError

        step = pair.tls.close if how == "close" else lambda: pair.below.feed(b"no TLS")
        with monkeypatch.context() as patched:
            patched.setattr(loop, "call_later", fail)
            with pytest.raises(MemoryError):
                step()
        if how == "close":
            pair.tls.close()
            pair.pass_on()
            assert pair.peer.ended
        else:
            assert pair.below.aborted

    run_asyncio(main())
