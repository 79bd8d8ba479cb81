"""The corpus of protocol cases: bytes of a peer, and what must come of them (tests/corpus)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["CASES"]

_FILE = Path(__file__).parents[1] / "corpus" / "frames.jsonl"
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()
]
