"""The programs in the documentation, as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_blocks = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE).findall
# Where programs of the README listen, for those that connect to them.
PORT = "8765"


class Example(NamedTuple):
    """One program: the number it has on its page, and its code."""

    page: Path
    number: int
    code: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).with_suffix('')}-{self.number}"

    @property
    def serves(self) -> bool:
        """Whether it runs until it is stopped."""
        return "serve_forever()" in self.code

    @property
    def connects(self) -> bool:
        """Whether it needs one that serves."""
        return PORT in self.code and not self.serves


EXAMPLES = [
    Example(page, number, code)
    for page in PAGES
    for number, code in enumerate(_blocks(page.read_text(encoding="utf-8")), 1)
]
ALONE = [example for example in EXAMPLES if not (example.serves or example.connects)]
SERVERS = [example for example in EXAMPLES if example.serves]
CLIENTS = [example for example in EXAMPLES if example.connects]
