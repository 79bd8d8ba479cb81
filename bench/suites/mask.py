"""Masking, out of place and in place."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import APPLY_MASK, APPLY_MASK_INPLACE
from ..texts import KIB, MIB, SIZES, binary, size_name

MASKERS = ("websockets", "tornado", "wsaccel", "autobahn")
KEY = bytes.fromhex("37fa213d")


def cases() -> list[Case]:
    return [_copying(size) for size in SIZES] + [
        _in_place(size) for size in (16 * KIB, 64 * KIB, 256 * KIB, MIB)
    ]


def _copying(size: int) -> Case:
    """Far out the memory sets the pace, and no kernel can be faster than that."""
    small = size <= 64 * KIB
    span, ratio = ("16 B to 64 KiB", 1.4) if small else ("1 MiB and 16 MiB", 1.0)
    goal = Goal(f"`apply_mask`, {span}", MASKERS, ratio)
    return Case(f"apply_mask {size_name(size)}", APPLY_MASK, (binary(size), KEY), (goal,))


def _in_place(size: int) -> Case:
    goal = Goal("`apply_mask_inplace`, 16 KiB to 1 MiB", ("aiohttp",), 2.0)
    name = f"apply_mask_inplace {size_name(size)}"
    return Case(name, APPLY_MASK_INPLACE, (bytearray(binary(size)), KEY), (goal,))
