"""One masked text message, from the wire to a str."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import READ_TEXT
from ..oracle import xor
from ..texts import KIB, SCRIPTS, size_name, text
from .mask import KEY


def cases() -> list[Case]:
    return [_case(script, size) for script in SCRIPTS for size in (KIB, 64 * KIB)]


def _case(script: str, size: int) -> Case:
    goal = Goal(
        f"masked {script} text of 1 KiB and 64 KiB to `str`",
        ("websockets",),
        1.8 if script == "ASCII" else None,
    )
    payload = xor(text(script, size), KEY)
    return Case(f"read text {script} {size_name(size)}", READ_TEXT, (payload, KEY), (goal,))
