"""Installs and tests each wheel of dist/ wherever it can run here; writes docs/building.md.

Usage: run.py [WHEEL]...   WHEEL: such as 3.11-aarch64-musllinux; all, if none is named

What was found is kept in build/wheels/runs and makes the table, with what earlier runs have found
about wheels that are not named and are still the same.

places.py says where that is.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from places import RUNS as PACKAGES
from places import Place, debian, make, places, with_tools
from targets import BUILD, DIST, ROOT, Wheel, chosen

sys.path.insert(0, str(ROOT))
from bench.report import write_readme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = BUILD / "runs"
DOCUMENT = ROOT / "docs" / "building.md"
AT_ONCE = 6  # places, which also wait for the package index and for one another's roots
HEADS = ("wheel", "bytes", "of the extension", "runs on", "kernel", "examples", "tests")


def ask(place: Place, script: str) -> dict[str, Any]:
    """The line of JSON that a script prints there."""
    command = (*place.command, place.python, script, place.python, "dist")
    print(*command, flush=True)
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(said, flush=True)
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def try_out(wheel: Wheel) -> None:
    """Run *wheel* where it can run, and keep what was found under the hash of the file."""
    file = wheel.find(DIST)
    if not (place := {place.wheel: place for place in places()}.get(wheel.name)):
        return
    make(place)
    tried = ask(place, "scripts/try_wheel.py")
    tests = ask(place, "scripts/wheels/suite.py")
    if not tried["wheel"] == tests["wheel"] == file.name or tried["backend"] != "compiled":
        raise SystemExit(f"{file.name} is not what was installed: {tried} {tests}")
    RUNS.mkdir(parents=True, exist_ok=True)
    found = {"place": place.name, **tried, **tests}
    (RUNS / f"{digest(file)}.json").write_text(json.dumps(found), encoding="utf-8")


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def row(wheel: Wheel) -> list[str]:
    file = wheel.find(DIST)
    with zipfile.ZipFile(file) as archive:
        extension = f"wscore/_speedups{wheel.target.extension_suffix(wheel.version)}"
        packed = archive.getinfo(extension).compress_size
    cells = [wheel.name, f"{file.stat().st_size:,}", f"{packed:,}"]
    kept = RUNS / f"{digest(file)}.json"
    if not kept.exists():
        return [*cells, "not run", "", "", ""]
    run = json.loads(kept.read_text(encoding="utf-8"))
    passed = run["tests"] - run["skipped"] - run["failures"] - run["errors"]
    return [
        *(*cells, f"{run['place']}: {run['version']}, {run['libc']}"),
        *(run["kernel"], str(len(run["examples"])), f"{passed} passed, {run['skipped']} skipped"),
    ]


def check_kernels() -> None:
    """Those of all four targets without Python: no interpreter is needed for them."""
    # Its glibc is that of the emulated ones.
    subprocess.run([*debian("bookworm", "aarch64", PACKAGES), "true"], cwd=ROOT, check=True)
    script = ROOT / "tests" / "kernels_c" / "run.sh"
    subprocess.run([script, "zig"], check=True, env=with_tools())


def table() -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for wheel in chosen([]):
        yield f"| {' | '.join(row(wheel))} |"


def main(names: list[str]) -> None:
    check_kernels()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(try_out, chosen(names)))
    if len([*DIST.glob("*.whl")]) == len(chosen([])):
        write_readme(DOCUMENT, "\n".join(table()))


if __name__ == "__main__":
    main(sys.argv[1:])
