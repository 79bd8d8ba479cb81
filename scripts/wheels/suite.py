"""Run tests of the kernels, the reader and the writer on the wheel that a folder has.

Usage: suite.py PYTHON DIST

The wheel is in a fresh environment, the tests are copied to where there is no wscore beside them.
The tests of the twin are left out: it is no other in a wheel. One line of JSON says how many passed
or failed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from try_wheel import Environment

ROOT = Path(__file__).resolve().parents[2]

FILES = [
    f"tests/_backend/test_{name}.py" for name in ("mask", "utf8", "header", "reader", "writer")
]
# By the parameters of tests: "not python" would leave out those with the marker "cpython" as well.
COMPILED = "not [python and not -python"
COUNTED = ("tests", "failures", "errors", "skipped")


def counted(report: Path) -> dict[str, int]:
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")
    return {name: int(suite.get(name, "0")) for name in COUNTED}


def main(python: str, dist: str) -> int:
    with TemporaryDirectory(prefix="wscore-") as name:
        folder = Path(name)
        environment = Environment(python, folder)
        wheel = environment.install(Path(dist))
        # From the index that this machine's pip knows.
        pip = [environment.python, "-m", "pip", "--disable-pip-version-check", "install"]
        pins = Path(__file__).with_name("tests.txt")
        subprocess.run([*pip, "--quiet", "--require-hashes", "-r", pins], check=True)
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        done = subprocess.run(
            [
                *(environment.python, "-m", "pytest", "-q", "--timeout=900", "-k", COMPILED),
                *("--junitxml=report.xml", *FILES),
            ],
            cwd=folder, env={**os.environ, "WSCORE_REQUIRE_COMPILED": "1"}, stdout=sys.stderr,
        )  # fmt: skip
        print(json.dumps({"wheel": wheel, **counted(folder / "report.xml")}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
