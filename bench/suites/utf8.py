"""Checking and decoding UTF-8 in four scripts."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import DECODE_UTF8, IS_UTF8
from ..texts import KIB, SCRIPTS, SIZES, size_name, text

VALIDATORS = ("wsaccel", "autobahn")
JUDGED_FROM = KIB  # below, the call itself is most of the time


def cases() -> list[Case]:
    return [
        case
        for script in SCRIPTS
        for size in SIZES
        for case in (_check(script, size), _decode(script, size))
    ]


def _check(script: str, size: int) -> Case:
    ascii_text, judged = script == "ASCII", size >= JUDGED_FROM
    kind = "ASCII" if ascii_text else "non-ASCII"
    span = "1 KiB and up" if judged else "below 1 KiB"
    goals = (
        Goal(f"`is_utf8`, {kind}, {span}", VALIDATORS, 40.0 if judged and not ascii_text else None),
        Goal(
            f"`is_utf8`, {kind}, {span}",
            ("cpython",),
            (2.0 if ascii_text else 8.0) if judged else None,
        ),
    )
    return Case(f"is_utf8 {script} {size_name(size)}", IS_UTF8, (text(script, size),), goals)


def _decode(script: str, size: int) -> Case:
    goal = Goal(f"`decode_utf8`, {script}", ("cpython",))
    return Case(
        f"decode_utf8 {script} {size_name(size)}", DECODE_UTF8, (text(script, size),), (goal,)
    )
