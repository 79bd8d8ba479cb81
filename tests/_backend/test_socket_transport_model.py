"""Random events of many sockets in one batch, against a slow and obvious model."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lines import Line, Lines, Recorder, reset, turns
from support.loops import LOOPS

if TYPE_CHECKING:
    from types import ModuleType

SOCKETS = 4

# What the peer does before a batch, and what we do: between batches, or in the middle of one, when
# a read of one socket acts on another.
PEER = st.sampled_from(["send", "send much", "read", "end", "reset"])
OURS = st.sampled_from(
    ["write", "write much", "pause", "resume", "close", "abort", "write_eof", "replace"]
)
INDEX = st.integers(0, SOCKETS - 1)
BATCH = st.lists(
    st.one_of(
        st.tuples(st.just("peer"), INDEX, PEER),
        st.tuples(st.just("ours"), INDEX, OURS),
        st.tuples(st.just("within"), INDEX, st.tuples(INDEX, OURS)),
    ),
    max_size=12,
)


@dataclass
class Model:
    """What has to become of one connection."""

    sent: bytearray = field(default_factory=bytearray)  # by the peer
    written: bytearray = field(default_factory=bytearray)  # by us, of which the peer gets a part
    paused: bool = False
    # How it may end: not at all, in order, with an error, or dropped by us.
    peer_ended: bool = False
    peer_reset: bool = False
    closed: bool = False
    aborted: bool = False
    eof: bool = False


class World:
    """The sockets, each with its model."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.count = 0
        self.all: list[tuple[Line, Model, bytearray]] = []
        self.now = [self.fresh() for _ in range(SOCKETS)]

    def fresh(self) -> tuple[Line, Model, bytearray]:
        line = self.lines.open(Recorder(512), "unix" if self.count % 2 else "tcp")
        made = line, Model(), bytearray()
        self.all.append(made)
        return made

    def data(self, size: int) -> bytes:
        self.count += 1
        return bytes([self.count % 251]) * size

    def peer(self, index: int, what: str) -> None:
        line, model, got = self.now[index]
        if what == "read":
            self.read(line, got)
        elif model.peer_ended or model.peer_reset:
            pass
        elif what.startswith("send"):
            data = self.data(3000 if what == "send much" else 7)
            with suppress(BlockingIOError, ConnectionError):
                model.sent += data[: line.theirs.send(data)]
        elif what == "end":
            model.peer_ended = True
            with suppress(OSError):  # we have closed it
                line.theirs.shutdown(socket.SHUT_WR)
        elif line.theirs.family != socket.AF_UNIX:
            model.peer_reset = True
            reset(line.theirs)

    def read(self, line: Line, got: bytearray) -> None:
        while line.theirs.fileno() >= 0:
            try:
                data = line.theirs.recv(1 << 20)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            got += data

    def ours(self, index: int, what: str) -> None:
        line, model, _ = self.now[index]
        transport = line.transport
        if what == "replace":
            self.ours(index, "abort")
            transport.tell_of_the_end(None)  # its descriptor is free from here on
            self.now[index] = self.fresh()
        elif what.startswith("write") and what != "write_eof":
            if not model.eof:
                data = self.data(400_000 if what == "write much" else 11)
                is_open = not transport.is_closing()
                transport.write(data)
                model.written += data if is_open else b""
        elif what in ("pause", "resume"):
            model.paused = what == "pause"
            getattr(transport, f"{what}_reading")()
        elif what == "close":
            model.closed = True
            transport.close()
        elif what == "abort":
            model.aborted = True
            transport.abort()
        else:
            model.eof = model.eof or not transport.is_closing()
            try:
                transport.write_eof()
            except OSError:
                assert model.peer_reset or model.peer_ended

    def within(self, index: int, action: tuple[int, str]) -> None:
        protocol = self.now[index][0].protocol

        def act() -> None:
            protocol.do.pop("read", None)
            self.ours(*action)

        protocol.do["read"] = act


def check(line: Line, model: Model, got: bytearray) -> None:
    """Compare a connection with its model, after everything has come to rest."""
    told, protocol = line.protocol.told, line.protocol
    # In order: the first is the beginning, the last the end, and nothing comes after that.
    assert told[0] == "made"
    assert told.count("lost") <= 1
    assert "lost" not in told[:-1]
    pauses = [name for name in told if name in ("pause", "resume")]
    assert pauses == (["pause", "resume"] * len(pauses))[: len(pauses)]
    # What comes arrives in order; all of it, unless somebody has ended that before.
    assert model.sent.startswith(protocol.received)
    ours_ended = model.closed or model.aborted
    if not (ours_ended or model.paused or model.peer_reset):
        assert protocol.received == model.sent
        assert model.peer_ended == ("eof" in told)
    # What we write, too; but the system resets a connection that is closed with something unread.
    assert model.written.startswith(got)
    is_all_read = protocol.received == model.sent
    if is_all_read and not (model.aborted or model.peer_reset or model.peer_ended):
        assert got == model.written
    # It ends if, and only if, somebody has ended it.
    ended = ours_ended or (not model.paused and (model.peer_ended or model.peer_reset))
    if ended:
        assert told[-1] == "lost"
        assert line.transport.fileno() == -1
    elif not (model.peer_ended or model.peer_reset):
        assert "lost" not in told
        assert line.transport.is_reading() != model.paused
    if protocol.error is not None:
        assert model.peer_reset or model.peer_ended or model.closed


async def play(backend: ModuleType, batches: list[Any]) -> None:
    async with Lines(backend) as lines:
        world = World(lines)
        for batch in batches:
            for who, index, what in batch:
                getattr(world, who)(index, what)
            await turns(2)
        for line, _, _ in world.all:
            line.protocol.do = {}
            line.transport.resume_reading()
        await come_to_rest(world)
        assert await lines.is_quiet()
        assert lines.reports == []


async def come_to_rest(world: World) -> None:
    """Until all is as it has to be: the system may take its time to bring what was sent."""
    patience = 1000
    while True:
        try:
            for line, model, got in world.all:
                model.paused = False
                world.read(line, got)
                check(line, model, got)
        except AssertionError:
            patience -= 1
            if not patience:
                raise
        else:
            return
        await asyncio.sleep(0.001)


@pytest.mark.usefixtures("needs_reactor")
@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_random_batches(compiled: ModuleType, new_loop: Any) -> None:
    loop = new_loop()

    @settings(max_examples=150)
    @given(st.lists(BATCH, max_size=6))
    def play_all(batches: list[Any]) -> None:
        loop.run_until_complete(asyncio.wait_for(play(compiled, batches), 20))

    try:
        play_all()
    finally:
        loop.close()
