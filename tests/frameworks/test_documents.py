"""The documents name each example, the command that the tests use, and versions that were run."""

from __future__ import annotations

import re
from importlib.metadata import requires

import pytest
from frameworks.serving import EXAMPLES, ROOT, app_of

PAGES = ["docs/asgi.md", "examples/README.md"]
# What each framework is called in the table, and on the package index.
PACKAGES = {
    "FastAPI": "fastapi",
    "Starlette": "starlette",
    "Django Channels": "channels",
    "Litestar": "litestar",
    "Quart": "quart",
    "python-socketio": "python-socketio",
    "Strawberry": "strawberry-graphql",
}

_row = re.compile(
    r"^\|.*\((?:\.\./examples/)?(\w+)\.py\).*`uvicorn (\S+)(?: --workers \d)? --ws (\S+)`",
    re.MULTILINE,
)


@pytest.mark.parametrize("page", PAGES)
def test_commands(page: str) -> None:
    rows = _row.findall((ROOT / page).read_text(encoding="utf-8"))
    expected = [(example, app_of(example), "wscore.asgi:WebSocketProtocol") for example in EXAMPLES]
    assert sorted(rows) == expected


def test_versions() -> None:
    """What the table was made with is the least that the extra installs."""
    text = (ROOT / "docs/asgi.md").read_text(encoding="utf-8")
    table = text.partition("## Frameworks\n")[2].partition("\n\nThe tests")[0]
    run = dict(re.findall(r"^\| ([\w -]+) \| (\d+\.\d+)\.", table, re.MULTILINE))
    bounds = dict(
        re.findall(
            r"^([\w-]+)(?:\[[\w-]+\])?>=([\d.]+);(?!.*version <).* extra == ['\"]frameworks['\"]$",
            "\n".join(requires("wscore-engine") or ()),
            re.MULTILINE,
        )
    )
    assert {name: bounds[package] for name, package in PACKAGES.items()} == run
