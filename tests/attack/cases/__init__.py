"""The tables, a module for each theme."""

from __future__ import annotations

from ..vocabulary import Case
from . import (
    closing,
    compression,
    control,
    corpus,
    fragments,
    framing,
    handshake,
    heads,
    negotiation,
    responses,
    smuggling,
    text,
)

__all__ = ["ALL", "THEMES"]

_TABLES = (framing, control, fragments, text, closing, handshake, heads, smuggling, negotiation,
           compression, responses, corpus)  # fmt: skip

THEMES: dict[str, list[Case]] = {
    table.__name__.rpartition(".")[2]: table.CASES for table in _TABLES
}
ALL = [(theme, case) for theme, cases in THEMES.items() for case in cases]
