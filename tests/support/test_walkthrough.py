"""Somebody who follows a page notices what does not hold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support import walkthrough
from support.walkthrough import Reader

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("the commands are for a POSIX shell", allow_module_level=True)

PAGE = """
```python title="count.py"
for number in range(3):
    print(number, "of 8765")
```

```console
$ python count.py
0 of 8765
...
2 of 8765
```

Then wait.

```console title="terminal"
$ sleep 1000
^C
$ python count.py
1 of 8765
```
"""


def follow(folder: Path, text: str) -> Reader:
    page = folder / "page.md"
    page.write_text(text)
    with Reader(page, folder) as reader:
        reader.read_until("Then wait.")
        reader.read_on()
    return reader


def test_a_page_that_holds(tmp_path: Path) -> None:
    reader = follow(tmp_path, PAGE)
    assert reader.port() != 8765
    assert f"of {reader.port()}" in (tmp_path / "count.py").read_text()
    assert reader.terminal("terminal").printed[-1] == f"2 of {reader.port()}"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("...\n2 of 8765", "2 of 8765"),
        ("$ python count.py\n0", "$ false && python count.py\n0"),
        ("1 of 8765", "3 of 8765"),
        ("Then wait.", "Then go."),
    ],
)
def test_a_page_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    monkeypatch.setattr(walkthrough, "PATIENCE", 5)
    assert right in PAGE
    with pytest.raises(AssertionError):
        follow(tmp_path, PAGE.replace(right, wrong))
