"""Other libraries after ``wscore.accelerate``, compared with themselves without it."""

from __future__ import annotations

from ..cases import Case, Goal
from ..operations import APPLY_MASK, FINDS_BAD_UTF8
from ..texts import KIB, SCRIPTS, binary, size_name, text
from .mask import KEY


def cases() -> list[Case]:
    wsproto = Goal("wsproto accelerated: masking 64 KiB", ("wsproto",), 20.0)
    autobahn = Goal("autobahn accelerated: small masks", ("autobahn",), 2.0)
    return [
        _masking("wsproto", 64 * KIB, wsproto),
        *(_masking("autobahn", size, autobahn) for size in (16, 64, 125)),
        *(_validation(script) for script in SCRIPTS),
    ]


def _masking(library: str, size: int, goal: Goal) -> Case:
    return Case(
        f"{library} mask {size_name(size)}",
        APPLY_MASK,
        (binary(size), KEY),
        (goal,),
        subject=f"{library}+wscore",
        own_process=True,
    )


def _validation(script: str) -> Case:
    return Case(
        f"websocket-client UTF-8 {script}",
        FINDS_BAD_UTF8,
        (text(script, 64 * KIB),),
        (Goal("websocket-client accelerated: UTF-8 of 64 KiB", ("websocket_client",), 50.0),),
        subject="websocket_client+wscore",
        own_process=True,
    )
