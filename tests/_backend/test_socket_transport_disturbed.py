"""Our own transport while finalizers, signal handlers and other threads come in between."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest
from support.lines import Lines, Recorder, connected, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")


class Finalized(bytes):
    """Calls `then` when it is let go."""

    then: Callable[[], Any]

    def __del__(self) -> None:
        self.then()


def test_what_was_sent_is_not_sent_again_by_its_finalizer(run: Run, compiled: ModuleType) -> None:
    """Which may run the loop."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            total = lines.fill(line)
            numbers = [b"%5d" % i for i in range(200)]
            piece = Finalized(numbers[0])
            piece.then = lines.reactor.run
            line.transport.write(piece)
            del piece
            for number in numbers[1:]:
                line.transport.write(number)
            received = await line.receive(total + 1000)
            assert received[total:] == b"".join(numbers)
            assert line.transport.get_write_buffer_size() == 0

    run(main())


@pytest.mark.parametrize("end", ["abort", "close"])
def test_an_end_within_the_finalizer_of_what_was_sent(
    run: Run, compiled: ModuleType, end: str
) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            line = lines.open()
            total = lines.fill(line)
            for number in range(10):
                piece = Finalized(b"%5d" % number)
                piece.then = getattr(line.transport, end)
                line.transport.write(piece)
                del piece
            assert len(await line.receive(total + 1000)) >= total
            assert await line.ended() is None
            assert line.transport.get_write_buffer_size() == 0

    run(main())


def lines_that_wrap(compiled: ModuleType, wrap: Callable[[int], Any]) -> tuple[Any, Any, Any]:
    """A transport whose socket object is made by *wrap*, the end of its peer, and its reactor."""
    loop = asyncio.get_running_loop()
    reactor = compiled.Reactor(compiled.ReadBuffer(1000), ref(loop), None, wrap)
    ours, theirs = connected("tcp")
    transport = compiled.SocketTransport(reactor, loop, ours.detach())
    transport.start(Recorder())
    return transport, theirs, reactor


def wrapped(descriptor: int) -> tuple[socket.socket, object]:
    made = socket.socket(fileno=descriptor)
    return made, object()


def test_one_socket_object_for_all_who_ask_at_once(run: Run, compiled: ModuleType) -> None:
    """A second one would close the descriptor when it is let go."""

    async def main() -> None:
        def wrap(descriptor: int) -> Any:
            if not within:
                within.append(None)
                within.append(transport.get_extra_info("socket"))
            return wrapped(descriptor)

        within: list[Any] = []
        transport, theirs, _reactor = lines_that_wrap(compiled, wrap)
        with theirs:
            given = transport.get_extra_info("socket")
            assert given is within[1]
            transport.write(b"abc")
            assert theirs.recv(3) == b"abc"
            transport.abort()
            await turns(3)

    run(main())


def test_a_socket_object_for_a_transport_that_ends_meanwhile(
    run: Run, compiled: ModuleType
) -> None:
    """The number may belong to another one by then."""

    async def main() -> None:
        def wrap(descriptor: int) -> Any:
            transport.tell_of_the_end(None)
            with pytest.raises(OSError, match="Bad file descriptor"):
                socket.socket(fileno=descriptor)
            other.extend(socket.socketpair())
            assert descriptor in [sock.fileno() for sock in other]
            return wrapped(descriptor)

        other: list[socket.socket] = []
        transport, theirs, _reactor = lines_that_wrap(compiled, wrap)
        theirs.close()
        assert transport.get_extra_info("socket", "none") == "none"
        other[0].send(b"abc")
        assert other[1].recv(3) == b"abc"
        for sock in other:
            sock.close()

    run(main())


class Stop(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("of_protocol", ["read", "made", "buffer", "eof"])
def test_a_handler_of_errors_that_raises(run: Run, compiled: ModuleType, of_protocol: str) -> None:
    """The connection ends all the same: its protocol is in an unknown state."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            raised: list[str] = []

            def report(*_: object) -> None:
                raised.append(of_protocol)
                raise KeyboardInterrupt

            def run_reactor() -> None:
                with suppress(KeyboardInterrupt):
                    lines.reactor.run()

            lines.loop.remove_reader(lines.reactor.fileno())
            lines.loop.add_reader(lines.reactor.fileno(), run_reactor)
            protocol = Recorder()
            protocol.do[of_protocol] = lambda: 1 // 0
            lines.loop.call_exception_handler = report  # type: ignore[method-assign]
            try:
                try:
                    line = lines.open(protocol)
                except KeyboardInterrupt:
                    line = lines.made[-1]
                line.theirs.send(b"abc")
                line.theirs.shutdown(socket.SHUT_WR)
                await line.ended()
            finally:
                del lines.loop.call_exception_handler
            assert raised == [of_protocol]
            assert protocol.told.count("lost") == 1

    run(main())


def test_a_signal_while_the_end_is_scheduled(run: Run, compiled: ModuleType) -> None:
    """The loop has the callback and its caller an exception: nothing is watched afterwards."""

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio.get_running_loop(), name)

        def call_soon(self, *arguments: Any, **options: Any) -> Any:
            asyncio.get_running_loop().call_soon(*arguments, **options)
            raise Stop

    async def main() -> None:
        async with Lines(compiled) as lines:
            ours, theirs = connected("tcp")
            transport = compiled.SocketTransport(lines.reactor, Interrupted(), ours.detach())
            protocol = Recorder()
            transport.start(protocol)
            with theirs:
                with pytest.raises(Stop):
                    transport.abort()
                await turns(3)
                assert protocol.told == ["made", "lost"]
                assert len(lines.reactor) == 0
                assert transport.fileno() == -1

    run(main())


def test_an_acceptor_that_was_never_made(compiled: ModuleType) -> None:
    acceptor = compiled.Acceptor.__new__(compiled.Acceptor)
    with socket.socket() as listening, pytest.raises(RuntimeError, match="never made"):
        acceptor.start(listening.fileno())
    assert not acceptor.is_accepting


@pytest.mark.parametrize("asked", [False, True])
def test_who_had_the_descriptor_before_leaves_it_alone(
    run: Run, compiled: ModuleType, asked: bool
) -> None:
    """Somebody has closed it, and another connection has the number now."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            before = lines.open()
            if asked:
                before.transport.get_extra_info("socket")
            ours, theirs = connected("tcp")
            with ours, theirs:
                os.dup2(ours.fileno(), before.descriptor)  # which closes it
                transport = compiled.SocketTransport(lines.reactor, lines.loop, before.descriptor)
                protocol = Recorder()
                transport.start(protocol)
                before.transport.abort()
                await before.ended()
                await turns(3)
                theirs.send(b"abc")
                while not protocol.received:
                    await asyncio.sleep(0.001)
                transport.write(b"def")
                assert theirs.recv(3) == b"def"
                transport.abort()
                await turns(3)

    run(main())


def test_a_callback_that_a_signal_has_cost_the_loop(run: Run, compiled: ModuleType) -> None:
    """asyncio's loops take a callback from their queue before they call it."""

    class Forgetful:
        forgets = True

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio.get_running_loop(), name)

        def call_soon(self, *arguments: Any, **options: Any) -> Any:
            if not self.forgets:
                asyncio.get_running_loop().call_soon(*arguments, **options)

    async def main() -> None:
        async with Lines(compiled) as lines:
            ours, theirs = connected("tcp")
            loop = Forgetful()
            transport = compiled.SocketTransport(lines.reactor, loop, ours.detach())
            protocol = Recorder(do={"lost": lambda: transport.abort()})
            transport.start(protocol)
            with theirs:
                transport.close()
                await turns(3)
                assert protocol.told == ["made"]
                loop.forgets = False
                transport.close()
                await turns(3)
                assert protocol.told == ["made"]
                transport.abort()
                transport.abort()
                await turns(3)
                assert protocol.told == ["made", "lost"]
                assert transport.fileno() == -1
                transport.abort()
                await turns(3)
                assert protocol.told == ["made", "lost"]

    run(main())
