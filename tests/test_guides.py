"""Each guide, followed as its reader does: files are copied, commands typed, answers seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.examples import ROOT
from support.programs import program
from support.walkthrough import Reader, blocks

if sys.platform == "win32":
    pytest.skip("the commands are for a POSIX shell", allow_module_level=True)

# Programs have to start, some of them several times.
pytestmark = pytest.mark.timeout(240)

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
# Other libraries, and programs of the system, that a guide is about.
LIBRARIES = {
    "from-aiohttp": "aiohttp",
    "from-picows": "picows",
    "from-socketio": "socketio",
    "from-websocket-client": "websocket",
    "from-websockets": "websockets",
}
PROGRAMS = {"nginx": ["nginx", "curl"], "systemd": ["systemd-analyze"], "tls": ["openssl"]}
FOLLOWED = [page for page in GUIDES if any(block.title for block in blocks(page.read_text()))]


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_a_guide_leads_where_it_says(page: Path, tmp_path: Path) -> None:
    if page.stem in LIBRARIES:
        pytest.importorskip(LIBRARIES[page.stem])
    for name in PROGRAMS.get(page.stem, []):
        program(name)
    # As where the guide to systemd installs.
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    with Reader(page, tmp_path, {"/srv/chat": str(tmp_path)}) as reader:
        reader.read_on()


def test_the_tables_name_what_exists() -> None:
    assert {*LIBRARIES, *PROGRAMS} <= {page.stem for page in FOLLOWED}
