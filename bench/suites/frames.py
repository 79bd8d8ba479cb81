"""Single headers and frames, and the way out; told without a target."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import ENCODE_FRAME, PARSE_HEADER, WRITE_MESSAGES
from ..oracle import frame
from ..texts import KIB, size_name, text
from .mask import KEY

RIVALS = ("websockets", "wsproto")
BATCH = 100


def cases() -> list[Case]:
    encoding = [_encode(size) for size in (16, 64, KIB, 64 * KIB)]
    return [_parse(), *encoding, _write(1), _write(BATCH)]


def _parse() -> Case:
    goal = Goal("`parse_header`", RIVALS)
    return Case("parse_header", PARSE_HEADER, (frame(b"", KEY),), (goal,))


def _encode(size: int) -> Case:
    payload = text("ASCII", size)
    goal = Goal("`encode_frame`, unmasked", RIVALS)
    name = f"encode_frame {size_name(size)}"
    return Case(name, ENCODE_FRAME, (payload, frame(payload)), (goal,))


def _write(count: int) -> Case:
    texts = (text("ASCII", 64).decode(),) * count
    goal = Goal(f"`FrameWriter`, masked 64 B messages, {count} at a time", RIVALS)
    return Case(f"write {count} x 64 B", WRITE_MESSAGES, (texts,), (goal,), messages=count)
