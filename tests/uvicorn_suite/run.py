"""Run others' own WebSocket tests on `wscore.asgi`: none may fail but those that are expected to.

    python tests/uvicorn_suite/run.py [--short] [--why]

Those of uvicorn run with both of its implementations of HTTP. Those of Starlette and FastAPI use a
client that calls the application; here it talks to a live server instead. They come from source
distributions and run in environments of their own below .peers/, on both backends. Exits with 1
when a test fails that is not listed in expected/, when a listed one passes or does not exist, and
when there are none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tarfile
import time
import venv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from support.peers import PEERS, Failed, execute, only_wscore

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
HELPERS = HERE / "helpers"
KINDS = ("documented", "internal")
# Some tests depend on time.
REPEATS = 2

Ended = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Suite:
    """The tests of one release of a project, and what they need."""

    name: str
    release: str
    requires: tuple[str, ...]
    # Folders of its source distribution to unpack.
    folders: tuple[str, ...]
    tests: tuple[str, ...]
    # Which helper puts us in place: a plugin, or a conftest.py for this folder.
    plugin: str = ""
    conftest_in: str = ""
    # Tests that are left out, as for pytest's -k.
    chosen: str = ""

    @property
    def folder(self) -> Path:
        return PEERS / f"{self.name}-{self.release}"

    @property
    def python(self) -> Path:
        place = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        return self.folder / "venv" / place

    @property
    def sources(self) -> Path:
        return self.folder / "suite"


SUITES = (
    Suite(
        "uvicorn", "0.54.0",
        requires=("httptools", "httpx2", "websockets==17.4", "wsproto", "anyio", "trio",
                  "pytest>=9", "pytest-mock", "typing_extensions"),
        folders=("tests",),
        tests=("tests/protocols/test_websocket.py",),
        conftest_in="tests/protocols",
    ),
    Suite(
        "starlette", "1.10.0",
        requires=("httpx2", "uvicorn==0.54.0", "websockets==17.4", "anyio", "trio", "pytest>=9"),
        folders=("tests",),
        tests=("tests/test_websockets.py",),
        plugin="live_client",
        chosen="not trio",
    ),
    Suite(
        "fastapi", "0.165.0",
        requires=("httpx2", "inline-snapshot", "python-multipart", "starlette==1.10.0",
                  "uvicorn==0.54.0", "websockets==17.4", "pytest>=9"),
        folders=("tests", "docs_src"),
        tests=("tests/test_dependency_after_yield_websockets.py",
               "tests/test_dependency_yield_scope_websockets.py",
               "tests/test_security_websockets.py", "tests/test_tutorial/test_websockets",
               "tests/test_ws_dependencies.py", "tests/test_ws_router.py"),
        plugin="live_client",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Expected:
    """Why tests whose names fit *pattern* fail."""

    pattern: str
    reason: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="for CI: on one backend only")
    parser.add_argument("--why", action="store_true", help="print why expected ones fail, too")
    options = parser.parse_args()
    backends = ["auto"] if options.short else ["auto", "python"]
    try:
        for suite in SUITES:
            prepare(suite)
        succeeded = [check(suite, one, options.why) for suite in SUITES for one in backends]
    except Failed as problem:
        print(f"FAILED\n{problem}")
        return 1
    return 0 if all(succeeded) else 1


def prepare(suite: Suite) -> None:
    """Get the tests and install what they need, once."""
    stamp = suite.folder / "made"
    made_for = f"{sys.version}\n{suite}"
    if not stamp.exists() or stamp.read_text() != made_for:
        shutil.rmtree(suite.folder, ignore_errors=True)
        venv.create(suite.folder / "venv", with_pip=True)
        pip = (suite.python, "-m", "pip", "--disable-pip-version-check", "--quiet")
        release = f"{suite.name}=={suite.release}"
        execute(*pip, "install", release, *suite.requires)
        source = ("--no-deps", "--no-binary", suite.name, "--dest", suite.folder)
        execute(*pip, "download", *source, release)
        _unpack(suite)
        stamp.write_text(made_for)
    if suite.conftest_in:
        shutil.copy(HELPERS / "conftest.py", suite.sources / suite.conftest_in)


def _unpack(suite: Suite) -> None:
    """Only what is needed: the sources beside it would be imported instead of the wheel."""
    top = f"{suite.name}-{suite.release}"
    with tarfile.open(suite.folder / f"{top}.tar.gz") as packed:
        for member in packed.getmembers():
            if member.name.startswith(tuple(f"{top}/{folder}/" for folder in suite.folders)):
                packed.extract(member, suite.folder, filter="data")
    (suite.folder / top).rename(suite.sources)
    # Settings of its own, so that pytest does not go up and take wscore's.
    (suite.sources / "pytest.ini").write_text("[pytest]\n")


def check(suite: Suite, backend: str, why: bool) -> bool:
    """Run the tests on one backend; print one line, and what is not as expected."""
    started = time.monotonic()
    expected = expectations((HERE / "expected" / f"{suite.name}.txt").read_text())
    ended = run(suite, backend, suite.tests)
    wrong = unexpected(ended, expected)
    for _ in range(REPEATS):
        failed = [test for test in wrong if test in ended and ended[test]["how"] != "passed"]
        if failed:
            ended |= run(suite, backend, failed)
            wrong = unexpected(ended, expected)
    passed = [test for test, end in ended.items() if end["how"] == "passed"]
    print(
        f"{suite.name} {suite.release}, backend {backend}: {len(passed)} of {len(ended)} pass, "
        f"{len(wrong)} are not as expected; {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for test, problem in sorted(wrong.items()):
        print(f"\n  {test}: {problem}\n{ended.get(test, {}).get('why', '')}")
    if why:
        for test in sorted(ended.keys() - wrong.keys() - set(passed)):
            print(f"\n  {test}: {ended[test]['how']}\n{ended[test]['why']}")
    return not wrong and bool(passed)


def run(suite: Suite, backend: str, tests: Iterable[str]) -> Ended:
    """How each of *tests* ended, and why."""
    record = suite.folder / "record.json"
    record.unlink(missing_ok=True)
    plugins = ["record", suite.plugin] if suite.plugin else ["record"]
    options = [word for plugin in plugins for word in ("-p", plugin)]
    options += ["-k", suite.chosen] if suite.chosen else []
    output = execute(
        *(suite.python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", *options),
        *tests,
        cwd=suite.sources,
        accepted=(0, 1),
        PYTHONPATH=os.pathsep.join([str(only_wscore()), str(HELPERS)]),
        WSCORE_BACKEND=backend,
        WSCORE_RECORD=str(record),
    )
    if not record.exists():
        raise Failed(output)
    return json.loads(record.read_text())  # type: ignore[no-any-return]


def expectations(text: str) -> list[Expected]:
    """The expected failures: below a heading, ``[kind] reason``, names or beginnings of names."""
    found: list[Expected] = []
    heading = ""
    for line in text.splitlines():
        if line.startswith("["):
            kind, _, reason = line[1:].partition("] ")
            if kind not in KINDS or not reason:
                raise Failed(f"expected: [KIND] REASON, KIND one of {KINDS}: {line}")
            heading = line
        elif line and not line.startswith("#"):
            found.append(Expected(line.replace("[", "[[]"), heading))
    return found


def unexpected(ended: Ended, expected: list[Expected]) -> dict[str, str]:
    """The tests that do not end as expected, and those that are listed and do not exist."""
    wrong: dict[str, str] = {}
    for test, end in ended.items():
        found = next((one for one in expected if fnmatchcase(test, one.pattern)), None)
        if found is None and end["how"] != "passed":
            wrong[test] = f"{end['how']}, and not listed"
        elif found is not None and end["how"] == "passed":
            wrong[test] = f"passes, and is listed as {found.reason}"
    for one in expected:
        if not any(fnmatchcase(test, one.pattern) for test in ended):
            wrong[one.pattern] = "is listed, and there is no such test"
    return wrong


if __name__ == "__main__":
    sys.exit(main())
