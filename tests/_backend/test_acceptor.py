"""A listening socket of our own: connections in batches, told within the turn that accepts them."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.lines import Lines, Recorder, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.usefixtures("needs_reactor")


class Listening:
    """An acceptor, and clients that nobody reads from."""

    def __init__(self, lines: Lines, factory: Any = None, most: int = 64) -> None:
        self.lines = lines
        self.protocols: list[Recorder] = []
        self.failures: list[int] = []
        self.clients: list[socket.socket] = []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.sock.setblocking(False)
        self.acceptor = lines.backend.Acceptor(
            lines.reactor, lines.loop, factory or self.make, self.failures.append, most
        )

    def make(self) -> Recorder:
        self.protocols.append(Recorder())
        return self.protocols[-1]

    def start(self) -> None:
        self.acceptor.start(self.sock.fileno())

    def connect(self, count: int) -> None:
        for _ in range(count):
            self.clients.append(socket.create_connection(self.sock.getsockname()))

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *error: object) -> None:
        for client in self.clients:
            client.close()
        self.acceptor.stop()
        self.sock.close()

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            await asyncio.sleep(0.001)


def test_a_batch_of_connections_leaves_their_turn_to_others(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines, most=10) as listening:
                made_before: list[int] = []
                line = lines.open(
                    Recorder(do={"read": lambda: made_before.append(len(listening.protocols))})
                )
                listening.connect(25)
                listening.start()
                line.theirs.send(b"a")
                await line.until_told("read")
                assert made_before == [10]  # the system tells of who was ready first, first
                await listening.until(lambda: len(listening.protocols) == 25)

    run(main())


def test_connections_are_made(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines, most=10) as listening:
                listening.connect(25)
                assert not listening.acceptor.is_accepting
                listening.start()
                listening.start()
                assert listening.acceptor.is_accepting
                await listening.until(lambda: len(listening.protocols) == 25)
                assert all(protocol.told == ["made"] for protocol in listening.protocols)
                assert listening.acceptor.open == 25
                ours = [p.transport.get_extra_info("peername") for p in listening.protocols]
                assert ours == [client.getsockname() for client in listening.clients]
                for client in listening.clients:
                    client.send(b"a")
                await listening.until(lambda: all(p.received for p in listening.protocols))
                emptied = listening.acceptor.emptied = lines.loop.create_future()
                for client in listening.clients:
                    client.close()
                await emptied
                assert listening.acceptor.open == 0
                assert len(lines.reactor) == 1

    run(main())


def test_what_is_accepted_does_not_wait_and_is_not_inherited(
    run: Run, compiled: ModuleType
) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines) as listening:
                listening.start()
                listening.connect(1)
                await listening.until(lambda: listening.protocols)
                sock = listening.protocols[0].transport.get_extra_info("socket")
                assert not os.get_blocking(sock.fileno())
                assert not os.get_inheritable(sock.fileno())
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main())


def test_stopped_within_a_batch(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:

            def make() -> Recorder:
                listening.acceptor.stop()
                return listening.make()

            with Listening(lines, make) as listening:
                listening.connect(3)
                listening.start()
                await turns(5)
                assert len(listening.protocols) == 1
                assert not listening.acceptor.is_accepting
                listening.start()
                await turns(5)
                assert len(listening.protocols) == 2

    run(main())


def test_a_factory_that_fails(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:

            def make() -> Recorder:
                if not lines.reports:
                    raise ValueError("no protocol")
                return listening.make()

            with Listening(lines, make) as listening:
                listening.connect(2)
                listening.start()
                await listening.until(lambda: listening.protocols)
                [report] = lines.reports
                assert str(report["exception"]) == "no protocol"
                assert listening.clients[0].recv(1) == b""
                assert listening.acceptor.open == 1
                assert len(lines.reactor) == 2

    run(main())


def test_a_factory_that_ends_the_loop(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:

            def make() -> Recorder:
                raise SystemExit

            with Listening(lines, make) as listening:
                listening.connect(1)
                listening.start()
                with pytest.raises(SystemExit):
                    lines.reactor.run()
                assert listening.clients[0].recv(1) == b""
                assert listening.acceptor.open == 0

    run(main())


def test_each_connection_has_a_context_of_its_own(run: Run, compiled: ModuleType) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def main() -> None:
        async with Lines(compiled) as lines:
            seen: list[str] = []

            def make() -> Recorder:
                seen.append(variable.get())
                variable.set("another one's")
                return listening.make()

            variable.set("the server's")
            with Listening(lines, make) as listening:
                variable.set("later")
                listening.connect(3)
                listening.start()
                await listening.until(lambda: len(listening.protocols) == 3)
                assert seen == ["the server's"] * 3

    run(main())


def test_without_descriptors_it_says_so(run: Run, compiled: ModuleType) -> None:
    import resource

    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines) as listening:
                listening.connect(2)
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                lowest = os.open(os.devnull, os.O_RDONLY)
                os.close(lowest)
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
                try:
                    listening.start()
                    lines.reactor.run()
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert listening.failures[0] == errno.EMFILE
                await listening.until(lambda: len(listening.protocols) == 2)

    run(main())


def test_what_is_no_listening_socket(run: Run, compiled: ModuleType) -> None:
    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines) as listening:
                with pytest.raises(OSError, match="Bad file descriptor"):
                    listening.acceptor.start(1 << 20)
                listening.acceptor.stop()
                with socket.socket() as sock:
                    listening.acceptor.start(sock.fileno())
                    await listening.until(lambda: listening.failures)
                    assert listening.failures[0] == errno.EINVAL
                    listening.acceptor.stop()

    run(main())


def test_a_descriptor_that_somebody_has_closed_is_no_open_connection(
    run: Run, compiled: ModuleType
) -> None:
    """The socket object that was asked for fails to close it once more."""

    async def main() -> None:
        async with Lines(compiled) as lines:
            with Listening(lines) as listening:
                listening.connect(1)
                listening.start()
                await listening.until(lambda: listening.acceptor.open == 1)
                [protocol] = listening.protocols
                transport = protocol.transport
                os.close(transport.get_extra_info("socket").fileno())
                transport.abort()
                await protocol.lost
                await turns(3)
                assert listening.acceptor.open == 0
                assert transport.get_protocol() is None
                assert [type(report["exception"]) for report in lines.reports] == [OSError]

    run(main())
