"""Every case of the corpus that the reader alone can decide, in pieces of every size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.corpus import CASES
from support.feeding import pieces_of

from wscore import Close, Frame, Opcode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# What their frames inflate to is the deflate layer's business, and so is their verdict.
COMPRESSED = {
    case["id"]
    for case in CASES
    if case["extensions"] and case["id"] not in ("deflate-plain", "deflate-rsv1-ping")
}


class Outcome(NamedTuple):
    messages: list[list[str]]
    pongs: list[str]
    close: int | None


def read(
    backend: ModuleType, deliver: Callable[..., list[Any]], case: dict[str, Any], size: int
) -> list[Any]:
    options = {} if case["max_size"] is None else {"max_size": case["max_size"]}
    reader = backend.MessageReader(
        masked=case["role"] == "server", deflate=case["extensions"] is not None, **options
    )
    data = bytes.fromhex(case["hex"])
    return deliver(reader, data, pieces_of(size, data))


def outcome(events: list[Any]) -> Outcome:
    """What an endpoint would make of *events*: deliver, answer, close."""
    messages, pongs, close = [], [], None
    for event in events:
        assert close is None, "something follows the end"
        if isinstance(event, str):
            messages.append(["t", event])
        elif isinstance(event, bytes):
            messages.append(["b", event.hex()])
        elif isinstance(event, Frame):
            assert event.opcode in (Opcode.PING, Opcode.PONG)
            if event.opcode is Opcode.PING:
                pongs.append(event.payload.hex())
        elif isinstance(event, Close):
            close = 0 if event.code == 1005 else event.code
        else:
            close = event.code
    return Outcome(messages, pongs, close)


def test_the_corpus_is_whole() -> None:
    assert len(CASES) >= 63
    assert 0 < len(COMPRESSED) < len(CASES) // 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(backend: ModuleType, deliver: Callable[..., list[Any]], case: dict[str, Any]) -> None:
    for size in (1 << 30, 64, 5, 3, 2, 1):
        events = read(backend, deliver, case, size)
        if case["id"] in COMPRESSED:
            assert_compressed(case, events)
        else:
            assert_outcome(case, events)


def assert_outcome(case: dict[str, Any], events: list[Any]) -> None:
    messages, pongs, close = outcome(events)
    assert messages == case["messages"]
    if case["pongs"]:
        assert pongs == case["pongs"]
    if case["close"] is None:
        assert close is None
    else:
        assert close in case["close"]


def assert_compressed(case: dict[str, Any], events: list[Any]) -> None:
    """Compressed messages come as their frames, each payload as it is on the wire."""
    frames = [event for event in events if isinstance(event, Frame)]
    assert frames[0].rsv1
    assert frames[-1].fin
    assert all(frame.rsv1 is (frame.opcode is not Opcode.CONT) for frame in frames)
    hex_of_payloads = "".join(frame.payload.hex() for frame in frames)
    # The masking key of every case is zero: payloads stand in the bytes as they are.
    assert all(frame.payload.hex() in case["hex"] for frame in frames)
    assert len(hex_of_payloads) > len(case["hex"]) // 16
    whole = sum(frame.fin for frame in frames)
    assert whole == max(len(case["messages"]), 1)
    if case["messages"]:
        assert events[-1] == Close(case["close"][0])
        assert len(events) == len(frames) + 1
    else:
        assert events == frames, "only inflating shows what is wrong"
