"""Each guide, followed as its reader does: files are copied, commands typed, answers seen."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.examples import ROOT
from support.programs import program
from support.walkthrough import Reader, blocks

if sys.platform == "win32":
    pytest.skip("the commands are for a POSIX shell", allow_module_level=True)

# Programs have to start, some of them several times.
pytestmark = pytest.mark.timeout(240)

GUIDES, TUTORIALS = (
    sorted((ROOT / "docs" / name).glob("*.md")) for name in ("guides", "tutorials")
)
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


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_guide_says_how_to_install_the_other_library(name: str) -> None:
    pytest.importorskip(LIBRARIES[name])
    installed = packages_distributions()[LIBRARIES[name]]
    text = (ROOT / "docs" / "guides" / f"{name}.md").read_text(encoding="utf-8")
    commands = re.findall(r"`pip install ([^`]*wscore-engine[^`]*)`", text)
    assert any(set(installed) & set(command.split()) for command in commands)


@pytest.mark.parametrize(
    "page", ["index", "start", *(f"tutorials/{page.stem}" for page in TUTORIALS)]
)
def test_who_has_a_clone_is_told_how_to_install_it(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert "pip install" not in text or "From a clone of wscore, install with" in text


def test_the_tables_name_what_exists() -> None:
    assert {*LIBRARIES, *PROGRAMS} <= {page.stem for page in FOLLOWED}


@pytest.mark.parametrize("page", FOLLOWED + TUTORIALS, ids=lambda page: page.stem)
def test_each_file_is_used(page: Path) -> None:
    """By a command, by pytest, or by another file."""
    found = blocks(page.read_text(encoding="utf-8"))
    typed = "".join(block.text for block in found if block.language == "console")
    for block in found:
        if block.language == "console" or not block.title:
            continue
        others = [other.text for other in found if other.title and other.title != block.title]
        is_test = block.title.startswith("test_") and "pytest" in typed
        name = re.compile(rf"\b{re.escape(Path(block.title).stem)}\b")
        assert is_test or any(map(name.search, [typed, *others])), block.title
