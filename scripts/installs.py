"""Install a wheel on every interpreter and every Debian that is here; write docs/installs.md.

Usage: installs.py [PLACE]...   PLACE: its name in the table; all, if none is named

scripts/wheels/places.py says where that is, scripts/try_wheel.py what was installed and what ran.
Its answers are kept in build/installs and make the table, with those of earlier runs in places that
are not named. Needs Debian, as root.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "wheels"))
from places import Place, make, places
from targets import DIST, ROOT, chosen, stem

RESULTS = ROOT / "build" / "installs"
DOCUMENT = ROOT / "docs" / "installs.md"
BEGIN, END = "<!-- installs:begin -->", "<!-- installs:end -->"

HEADS = ("place", "interpreter", "machine", "wheel", "made by", "backend", "kernel", "examples")


def result(place: Place) -> Path:
    return RESULTS / f"{place.name}.json"


def in_dist(place: Place) -> bool:
    """Whether dist/ has a wheel of `make wheels` for it."""
    return bool(place.wheel) and any(DIST.glob(chosen([place.wheel])[0].pattern))


def attempt(place: Place) -> dict[str, Any]:
    """What try_wheel.py told, or why there is nothing to tell."""
    if not place.python:
        return {"not run": "no such interpreter here"}
    dist, origin = DIST, "`make wheels`"
    if not in_dist(place):
        if not place.build:
            return {"not run": "no wheel for it in dist/: `make wheels`"}
        dist = RESULTS / place.name
        sdists = [str(sdist.relative_to(ROOT)) for sdist in DIST.glob(f"{stem()}.tar.gz")]
        origin = "the sdist, there" if sdists else "the sources, there"
        folder = str(dist.relative_to(ROOT))
        command = ("scripts/build_wheel.sh", place.python, folder, *sdists)
        if done := run(place, *command, build=place.build):
            return done
    make(place)
    told = run(
        place, place.python, "scripts/try_wheel.py", place.python, str(dist.relative_to(ROOT))
    )
    if not told.get("wheel", stem()).startswith(stem()):
        return {"failed": f"{told['wheel']} was installed, which is another version"}
    return {**told, "origin": origin}


def run(place: Place, *command: str, build: str = "") -> dict[str, Any]:
    print(f"== {place.name}: {' '.join(command)}", flush=True)
    done = subprocess.run(
        [*place.command, *command], cwd=ROOT, env={**os.environ, "WSCORE_BUILD": build},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    print(done.stdout, flush=True)
    if done.returncode:
        return {"failed": f"{Path(command[0]).name} ended with status {done.returncode}"}
    return {} if build else {**json.loads(done.stdout.splitlines()[-1])}


def row(place: Place) -> str:
    told = {"not run": ""}
    if result(place).exists():
        told = json.loads(result(place).read_text(encoding="utf-8"))
    cells = [f"**{key}** {told[key]}" for key in ("failed", "not run") if key in told]
    if not cells:
        cells = [
            f"{told['interpreter']} {told['version']}",
            f"{told['machine']}, {told['libc']}",
            f"`{told['wheel']}`",
            told["origin"],
            "compiled" if told["backend"] == "compiled" else "pure twin",
            told["kernel"],
            f"{len(told['examples'])} passed, {told['date']}",
        ]
    cells += [""] * (len(HEADS) - 1 - len(cells))
    return f"| {' | '.join([place.name, *cells])} |"


def write(rows: list[str]) -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    table = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}", *rows]
    lines = [BEGIN, *table, "", f"Run on {machine}, {date.today()}.", END]
    DOCUMENT.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def main(names: list[str]) -> int:
    RESULTS.mkdir(parents=True, exist_ok=True)
    known = places()
    if unknown := set(names) - {place.name for place in known}:
        raise SystemExit(f"{unknown}: choose among {[place.name for place in known]}")
    failed = 0
    for place in known:
        if names and place.name not in names:
            continue
        told = attempt(place)
        failed += "failed" in told
        result(place).write_text(json.dumps({**told, "date": str(date.today())}), encoding="utf-8")
        write([row(each) for each in known])
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
