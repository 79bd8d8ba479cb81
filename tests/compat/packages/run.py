"""Run programs of published packages on websockets and on wscore: they have to print the same.

    python run.py [NAME ...]

To be run by an interpreter that has wscore and what requirements.txt names. The service is
websockets' own both times.
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from play import AUTHORITY

HERE = Path(__file__).resolve().parent
PROGRAMS = sorted(path.stem for path in HERE.glob("programs/*.py") if path.stem != "__init__")
# The longest of them waits some seconds before it connects again.
SECONDS = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROGRAMS)}")
    names = parser.parse_args().names or PROGRAMS
    if unknown := set(names) - set(PROGRAMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    alike = [_compared(name) for name in names]
    print(f"{sum(alike)} of {len(alike)} published packages behave as on websockets")
    return 0 if all(alike) else 1


def _compared(name: str) -> bool:
    """Run one program on each; print what differs."""
    started = time.monotonic()
    theirs = _printed(name)
    ours = _printed(name, "--compat")
    # A program that fails proves nothing, even where it fails alike.
    good = theirs == ours and theirs[-1] == "status 0" and len(theirs) > 1
    verdict = "alike" if good else "DIFFERENT"
    took = time.monotonic() - started
    print(f"{name}: {verdict}, {len(theirs)} lines, {took:.0f} s", flush=True)
    if not good:
        print("\n".join(difflib.ndiff(theirs, ours)))
    return good


def _printed(name: str, *flags: str) -> list[str]:
    """What the program printed, and its exit status; when it failed, its errors as well."""
    with _service(name) as (url, variables):
        try:
            done = subprocess.run(
                [sys.executable, "play.py", "run", name, url, *flags],
                cwd=HERE,
                env=os.environ | variables,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as hung:
            return [*_text(hung.stdout).splitlines(), f"no end after {SECONDS} s"]
    errors = done.stderr.splitlines()[-30:] if done.returncode else []
    return [*done.stdout.splitlines(), *errors, f"status {done.returncode}"]


def _text(output: bytes | str | None) -> str:
    return output.decode() if isinstance(output, bytes) else output or ""


@contextmanager
def _service(name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve a program's service; its URL, and the environment of those who connect."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "play.py", "serve", name, folder]
        with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                url = server.stdout.readline().strip()
                authority = Path(folder) / AUTHORITY
                yield url, {"SSL_CERT_FILE": str(authority)} if authority.exists() else {}
            finally:
                server.terminate()


if __name__ == "__main__":
    sys.exit(main())
