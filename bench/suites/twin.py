"""The pure-Python twin beside what is pure Python elsewhere."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import APPLY_MASK, FINDS_BAD_UTF8
from ..texts import KIB, MIB, SCRIPTS, binary, size_name, text
from .mask import KEY


def cases() -> list[Case]:
    masks = [_mask(size) for size in (16, 64, KIB, 64 * KIB, MIB)]
    return masks + [_check(script, size) for script in SCRIPTS for size in (KIB, 64 * KIB)]


def _mask(size: int) -> Case:
    goal = Goal("pure twin, `apply_mask`", ("websockets_pure",), 1.0)
    name = f"twin apply_mask {size_name(size)}"
    return Case(name, APPLY_MASK, (binary(size), KEY), (goal,), subject="twin")


def _check(script: str, size: int) -> Case:
    goal = Goal("pure twin, `is_utf8`", ("websocket_client",), 5.0)
    name = f"twin is_utf8 {script} {size_name(size)}"
    return Case(name, FINDS_BAD_UTF8, (text(script, size),), (goal,), subject="twin")
