"""Allocations that fail, each in turn: nothing is half made afterwards, or all that follows fails.

CPython's own test module has them fail. What it cannot do, fail for size, is done with a limit of
the system; sanitizers, which need memory of their own, cannot run under that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.isolated import run

if TYPE_CHECKING:
    from types import ModuleType

if sys.implementation.name != "cpython":  # PyPy would compile its own
    pytest.skip("about what CPython does without memory", allow_module_level=True)
pytest.importorskip("_testcapi", reason="this CPython was installed without it")

EACH = """
import _testcapi
from support import oracles
from support.feeding import KEY, header, wire
from support.oracles import WireFrame
from wscore.errors import PayloadTooBig, ProtocolError

def starved(number, call):
    '''What *call* returns or raises when its allocation of that number fails, and all later.'''
    _testcapi.set_nomemory(number)
    try:
        return call()
    except (MemoryError, ProtocolError, PayloadTooBig) as error:
        return error
    finally:
        _testcapi.remove_mem_hooks()
"""

WRITER = (
    EACH
    + """
for masked in (False, True):
    for size in (10, 5_000, 70_000, {large}):
        message = b"x" * size
        for number in range(12):
            writer = backend.FrameWriter(masked=masked)
            for _ in range(3):
                writer.message(b"before")
            starved(number, lambda: writer.message(message))
            try:
                writer.message(b"after")
                output = b"".join(writer.take())
            except RuntimeError as error:
                assert "failed" in str(error)
                continue
            payloads = backend.MessageReader(masked=masked, max_size=None).feed(output)
            assert payloads in ([b"before"] * 3 + [message, b"after"], [b"before"] * 3 + [b"after"])
"""
)

READER = (
    EACH
    + """
first = wire(WireFrame(2, b"a" * 70_000, fin=False), WireFrame(9, b"?"))
second = wire(WireFrame(0, b"b" * 300_000, fin=False)) + header(600_000, 0) + b"c" * 150_000
third = b"c" * 450_000 + wire(WireFrame(1, b"after"))
text = header(300_000, 1) + b"d" * 20_000
for number in range({rounds}):
    for pieces in ([first, second, third], [text, b"e" * 30_000, b"f" * 250_000]):
        for starve in range(3):
            reader = backend.MessageReader(masked=True, max_size=None)
            ended = False
            for place, piece in enumerate(pieces):
                call = lambda: reader.feed(piece)
                if place == starve:
                    heard = starved(number, call)
                    ended = ended or type(heard) is not list or any(
                        isinstance(event, Exception) for event in heard
                    )
                    continue
                try:
                    heard = call()
                except ProtocolError as error:
                    assert ended and "failed" in str(error)
                    continue
                ended = ended or any(isinstance(event, Exception) for event in heard)
"""
)


def test_whatever_a_writer_cannot_allocate(backend: ModuleType) -> None:
    large = 10 if backend.__name__.endswith("pure") else 1_100_000
    run(backend, WRITER.format(large=large))


def test_whatever_a_reader_cannot_allocate(compiled: ModuleType) -> None:
    run(compiled, READER.format(rounds=25))


STARVED = """
import resource
writer = backend.FrameWriter(masked=True)
writer.message(bytes(900_000))
for _ in range(30):
    writer.message(bytes(900_000))
used = int(open("/proc/self/statm").read().split()[0]) * 4096
data = bytes(900_000)
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), -1))
try:
    for _ in range(100):
        writer.message(data)
except MemoryError:
    pass
else:
    raise AssertionError("no MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
try:
    output = writer.take()
except RuntimeError as error:
    assert "failed" in str(error)
    for call in (lambda: writer.message("a"), lambda: writer.write(9)):
        try:
            call()
        except RuntimeError:
            pass
        else:
            raise AssertionError("alive")
else:
    messages = backend.MessageReader(masked=True, max_size=None).feed(b"".join(output))
    assert len(messages) > 30 and set(messages) == {data}
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS and /proc")
def test_limited_a_writer_loses_nothing_or_has_failed(backend: ModuleType) -> None:
    run(backend, STARVED)


STARVED_READER = """
import resource
from support.feeding import failure, header, wire
from support.oracles import WireFrame
from wscore.errors import PayloadTooBig, ProtocolError
def frame(opcode, size, fin=False):
    return header(size, opcode, fin=fin) + bytes(size)
reader = backend.MessageReader(masked=True, max_size=None)
for each in (frame(2, 300_000), frame(0, 310_000), frame(0, 600_000), frame(0, 20_000)):
    assert reader.feed(each) == []
big, small = frame(0, 60_000_000), frame(0, 5_000)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), -1))
try:
    events = reader.feed(big)
    assert failure(events) == (PayloadTooBig, 1009), events
except MemoryError:
    pass
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
for _ in range(3):
    try:
        reader.feed(small)
    except ProtocolError as error:
        assert "failed" in str(error)
    else:
        raise AssertionError("alive")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS and /proc")
def test_limited_a_reader_has_failed(backend: ModuleType) -> None:
    run(backend, STARVED_READER)


STARVED_IN_PLACE = """
import resource
from support.feeding import failure, header, read_pieces
from wscore.errors import PayloadTooBig
reader = backend.MessageReader(masked=True, max_size=None)
assert reader.feed(header(1 << 40, 2)) == []
body = bytearray(1 << 20)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
events = []
for _ in range(200):
    events += read_pieces(reader, memoryview(body), [])
    if events:
        break
assert failure(events) == (PayloadTooBig, 1009), events
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS and /proc")
def test_limited_a_payload_that_outgrows_the_memory_is_too_big(backend: ModuleType) -> None:
    run(backend, STARVED_IN_PLACE)


FANNED_OUT = """
import _testcapi
from support.fanning import Member, Turns

def starved(number, call):
    '''What *call* returns or raises when that allocation fails, and no other.'''
    _testcapi.set_nomemory(number, number + 1)
    try:
        return call()
    except (MemoryError, RuntimeError) as error:
        return error
    finally:
        _testcapi.remove_mem_hooks()

def turn():
    turns.scheduled = True
    turns.turn()

long, new = b"long" * 50, b"new"
for kinds in ([{{}}], [{{}}, {{"deflate": {{}}}}], [{{"masked": True}}]):
    for others in {others}:
        for call in ("publish", "turn", "leave", "join", "write"):
            for number in range({rounds}):
                turns = Turns(backend)
                channel, *rest = [turns.channel() for _ in range(others + 2)]
                members = [Member(turns, **kinds[i % len(kinds)]) for i in range(10)]
                for member in members:
                    for each in (*rest, channel):
                        each.join(member.writer)
                channel.publish(1, long)
                rest[-1].publish(1, b"other")
                first, late = members[0], Member(turns)
                result = starved(number, {{
                    "publish": lambda: channel.publish(1, new),
                    "turn": turns.fanout.run,
                    "leave": lambda: channel.leave(first.writer),
                    "join": lambda: channel.join(late.writer),
                    "write": lambda: first.writer.message(new),
                }}[call])
                turn()
                turn()
                channel.publish(1, b"after")
                turn()
                is_in = channel.find(late.writer) is not None
                assert is_in is (call == "join" and result is True)
                for member in members:
                    if member.closing:
                        continue  # what it missed is no secret
                    member.writer.flush()
                    got_new = call == "publish" and result == 10
                    got_new |= call == "write" and member is first and result is True
                    gone = call == "leave" and member is first and result is True
                    expected = [long, b"other"] + [new] * got_new + [b"after"] * (not gone)
                    assert member.messages() == expected, (kinds, others, call, number, result)
                for member in (*members, late):
                    channel.leave(member.writer)
                assert len(channel) == 0
"""


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 15, 0),
    reason="its list.append frees twice what there was no memory for, without wscore as well",
)
def test_whatever_a_fan_out_cannot_allocate(compiled: ModuleType) -> None:
    """The twin is Python code all through, where an allocation may fail between any two steps."""
    run(compiled, FANNED_OUT.format(others="(0, 7, 12)", rounds=30))
