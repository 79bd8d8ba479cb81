"""Run websockets' examples, and programs of published packages, on wscore as on websockets.

    python tests/compat/programs.py [--short] [--source REPOSITORY]

Both sets bring their own table and print their own differences: examples/run.py, packages/run.py.
Exits with 1 when a program behaves in another way, or when the programs are not to be had.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

from environment import REPOSITORY, Environment, Unavailable
from support.peers import PEERS, Failed, execute, only_wscore

HERE = Path(__file__).resolve().parent
FOLDER = PEERS / "compat-programs"
PYTHON = FOLDER / "venv" / "bin" / "python"
REQUIREMENTS = HERE / "packages" / "requirements.txt"

# A first API, the one that connects again, another sub-protocol, one that subclasses `connect`.
SHORT_PACKAGES = ("gql_subscription", "obs", "openai_realtime", "polygon_stream")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--short", action="store_true", help="some packages, and the examples if they are here"
    )
    parser.add_argument("--source", default=os.environ.get("WEBSOCKETS_SOURCE", REPOSITORY))
    options = parser.parse_args()
    try:
        _prepare()
    except (Failed, Unavailable) as problem:
        print(f"NOT RUN: {problem}")
        return 1
    succeeded = _play("packages/run.py", *(SHORT_PACKAGES if options.short else ()))
    environment = Environment(options.source)
    try:
        environment.prepare()
    except Unavailable as problem:
        print(f"examples NOT RUN: {problem}")
        return 0 if succeeded and options.short else 1
    return 0 if _play("examples/run.py", environment.examples) and succeeded else 1


def _prepare() -> None:
    """Make an environment with the packages, once. Raises Unavailable, Failed."""
    stamp = FOLDER / "made"
    made_for = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if stamp.exists() and stamp.read_text() == made_for:
        return
    if sys.version_info < (3, 11):
        raise Unavailable("google-genai needs Python 3.11: make test-compat PYTHON=...")
    venv.create(FOLDER / "venv", clear=True, with_pip=True)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    execute(*pip, "--requirement", REQUIREMENTS)
    stamp.write_text(made_for)


def _play(script: str, *arguments: object) -> bool:
    """Run one of the two sets with wscore in its reach."""
    command = [PYTHON, HERE / script, *arguments]
    variables = {"PYTHONPATH": str(only_wscore())}
    return not subprocess.run(command, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
