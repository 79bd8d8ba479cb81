"""A finalizer or a signal handler in the middle of a fragmented message that is being sent."""

from __future__ import annotations

import itertools
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from support.interrupting import interrupted
from support.pair import Pair, sent_by

from wscore import ClientProtocol, ConnectionClosed, ServerProtocol
from wscore.deflate import PerMessageDeflate

DATA = b"abc " * 600


def opened(compressed: bool) -> Pair:
    def extensions() -> list[Any]:
        return [PerMessageDeflate()] if compressed else []

    client = ClientProtocol("ws://localhost/", extensions=extensions())
    return Pair(client, ServerProtocol(extensions=extensions())).open()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_message_written_at_any_moment_of_a_fragment(compressed: bool) -> None:
    for step in itertools.count():
        pair = opened(compressed)
        here = pair.client.protocol
        nested: list[bytes] = []

        def write(here: Any = here, nested: Any = nested) -> None:
            with suppress(RuntimeError):  # a fragmented message is being sent
                here.send(b"nested " * 300)
                nested.append(b"nested " * 300)

        with interrupted(step, write) as interruption:
            here.send(DATA, fin=False)
            here.send_continuation(DATA, fin=True)
        here.send(b"after " * 300)
        pair.pump()
        events = pair.server.events
        assert sorted(events) == sorted([*nested, DATA * 2, b"after " * 300]), step
        if not interruption.happened:
            break
    assert step > 20


@pytest.mark.parametrize("compressed", [False, True])
def test_a_close_while_a_fragment_is_encoded_is_the_last(compressed: bool) -> None:
    pair = opened(True)
    here = pair.client.protocol
    codec = here.writer.codec
    here.send(b"a", fin=False, compress=compressed)

    class Closing:
        def encode(self, payload: bytes, fin: bool = True) -> bytes:
            here.close(1000)
            return bytes(codec.encode(payload, fin))

    here.writer.codec = Closing()
    with pytest.raises(ConnectionClosed) if compressed else nullcontext():
        here.send_continuation(DATA, fin=False)
    opcodes = [frame.opcode for frame in sent_by(here)]
    assert opcodes == ([2, 8] if compressed else [2, 0])


def test_a_fragment_that_is_none_begins_no_message() -> None:
    here = opened(False).client.protocol
    with pytest.raises(TypeError):
        here.send(5, fin=False)
    assert here.writer.accepting
    here.send(b"a")
    assert [frame.payload for frame in sent_by(here)] == [b"a"]
