"""Packages of npm are installed once for all processes of the tests, or not at all."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.node import Node, node_for
from support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

# Each says that it has begun, and ends when it may.
INSTALLS = """#!/bin/sh
echo >>begun
while [ ! -e end ]; do sleep 0.05; done
mkdir -p node_modules/parcel && cp package.json node_modules/parcel
"""
FAILS = INSTALLS + "rm -r node_modules\nexit 1\n"


@pytest.mark.parametrize("npm", [INSTALLS, FAILS], ids=["installs", "fails"])
def test_one_process_installs_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: str
) -> None:
    """Who has waited for another's try has no time left for one of its own."""
    bin_, scripts, installed = (tmp_path / name for name in ("bin", "scripts", "installed"))
    for folder in (bin_, scripts):
        folder.mkdir()
    for name, content in (("node", "#!/bin/sh\n"), ("npm", npm)):
        (bin_ / name).write_text(content)
        (bin_ / name).chmod(0o755)
    pins = {"version": "1", "dependencies": {"parcel": "1"}}
    (scripts / "package.json").write_text(json.dumps(pins))
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    monkeypatch.delenv("WSCORE_REQUIRE_NODE", raising=False)

    def install() -> Node | str:
        try:
            return node_for(scripts, installed)
        except pytest.skip.Exception as skipped:
            return str(skipped)

    with ThreadPoolExecutor() as threads:
        first = threads.submit(install)
        eventually((installed / "begun").exists)
        others = [threads.submit(install) for _ in range(2)]
        eventually(lambda: waiting_for(installed) == 2)
        (installed / "end").touch()
        found = [future.result() for future in (first, *others)]
    assert (installed / "begun").read_text() == "\n"
    if npm == INSTALLS:
        assert found == [Node(str(bin_ / "node"), scripts, installed)] * 3
    else:
        assert "npm install failed" in str(found[0])
        assert found[1:] == ["npm install failed in another process of the tests"] * 2


def waiting_for(folder: Path) -> int:
    """How many wait for the lock on *folder*."""
    number = f":{folder.stat().st_ino} "
    with open("/proc/locks") as locks:
        return sum("->" in line and number in line for line in locks)
