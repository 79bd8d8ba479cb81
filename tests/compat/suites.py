"""Which of websockets' tests run on `wscore.compat`, and which failures are expected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["KINDS", "RELEASE", "SUITES", "Expected", "Suite", "expectations"]

# The last release whose repository is public with its tests.
RELEASE = "17.0.1"

# Why a test may fail: it looks at what is no interface, it compares texts, or it is in the table
# of differences in docs/compat.md. What is missing or worse is none of these.
KINDS = ("internal", "wording", "documented")


@dataclass(frozen=True)
class Suite:
    """Modules below ``tests/`` of the repository, and those of them that ``--short`` leaves out.

    ``expected/NAME.txt`` has the expected failures.
    """

    name: str
    modules: tuple[str, ...]
    long: tuple[str, ...] = ()


SUITES = (
    Suite(
        "asyncio",
        (
            "asyncio/test_client.py",
            "asyncio/test_connection.py",
            "asyncio/test_messages.py",
            "asyncio/test_router.py",
            "asyncio/test_server.py",
        ),
        long=("asyncio/test_connection.py",),
    ),
    Suite(
        "sansio",
        (
            "extensions",
            "test_auth.py",
            "test_cli.py",
            "test_client.py",
            "test_connection.py",
            "test_datastructures.py",
            "test_exceptions.py",
            "test_exports.py",
            "test_frames.py",
            "test_headers.py",
            "test_http11.py",
            "test_imports.py",
            "test_protocol.py",
            "test_proxy.py",
            "test_server.py",
            "test_streams.py",
            "test_uri.py",
            "test_utils.py",
        ),
    ),
)


@dataclass(frozen=True)
class Expected:
    """Why a test fails: one of `KINDS`, and the reason."""

    kind: str
    reason: str


def expectations(suite: Suite) -> dict[str, Expected]:
    """The expected failures of *suite*, by test.

    The file has a heading for each reason, ``[kind] reason``, and below it the tests, each
    without ``tests/``. A test that ends with ``*`` stands for all that begin so.
    """
    found: dict[str, Expected] = {}
    heading: Expected | None = None
    path = Path(__file__).with_name("expected") / f"{suite.name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            kind, _, reason = line[1:].partition("] ")
            if kind not in KINDS or not reason:
                raise ValueError(f"{path.name}:{number}: [KIND] REASON, KIND one of {KINDS}")
            heading = Expected(kind, reason)
        elif line and not line.startswith("#"):
            if heading is None or line in found:
                raise ValueError(f"{path.name}:{number}: no heading, or twice: {line}")
            found[line] = heading
    return found
