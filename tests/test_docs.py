"""The examples of the documentation run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.isolated import start

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M), 1
    )
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code: str) -> None:
    # In a process of its own: what it leaves behind, and what it warns of, is seen.
    done = start(f"import warnings\nwarnings.simplefilter('error')\n{code}")
    assert (done.returncode, done.stderr) == (0, "")
