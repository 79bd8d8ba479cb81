"""The corpus of tests/corpus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.corpus import CASES as ROWS

from ..vocabulary import Case, breaks

__all__ = ["CASES"]

# What the standards leave to the receiver.
_LENIENT = {"len16-for-5", "len64-for-5", "utf8-fail-fast"}


def _case(row: dict[str, Any]) -> Case:
    name, rule, data = row["id"], row["why"], bytes.fromhex(row["hex"])
    messages = tuple(
        value if kind == "t" else bytes.fromhex(value) for kind, value in row["messages"]
    )
    deflate = row["extensions"] is not None
    if row["close"] is None:  # the last frame is unfinished and stays so
        case = breaks(name, rule, (), data, messages=messages, deflate=deflate)
        return replace(case, eof=True)
    codes = tuple(code or 1005 for code in row["close"])
    ours = name in _LENIENT
    case = breaks(name, rule, codes, data, deflate=deflate, ours=ours)
    pongs = tuple(bytes.fromhex(pong) for pong in row["pongs"])
    return replace(case, outcome=replace(case.outcome, messages=messages, pongs=pongs))


# The other rows need a server with another limit: aio/connection/test_corpus_live.py.
CASES = [_case(row) for row in ROWS if row["max_size"] is None]
