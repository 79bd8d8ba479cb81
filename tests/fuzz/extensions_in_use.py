"""The extensions that conversations are fuzzed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wscore.extensions import Extension

EXTENSIONS: tuple[Extension, ...] = ()
