"""What ``make release`` refuses, and what it leaves: on repositories that were made for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "release.py"
CHANGELOG = """\
# Changelog

## [0.2.0] - unreleased

### Added

- Something.

## [0.1.0] - 2026-01-02

- All of it.
"""
# In place of builds: an sdist, a wheel for an index and one for machines like this one.
MAKEFILE = """\
wheels:
	python3 build.py
"""
BUILD = """\
import io, pathlib, runpy, tarfile, zipfile

version = runpy.run_path("wscore/_version.py")["__version__"]
metadata = f"Metadata-Version: 2.4\\nName: wscore-engine\\nVersion: {version}\\n".encode()
name = f"wscore_engine-{version}"
pathlib.Path("dist").mkdir(exist_ok=True)
with tarfile.open(f"dist/{name}.tar.gz", "w:gz") as sdist:
    about = tarfile.TarInfo(f"{name}/PKG-INFO")
    about.size = len(metadata)
    sdist.addfile(about, io.BytesIO(metadata))
for platform in ("linux_x86_64", "manylinux_2_17_x86_64"):
    with zipfile.ZipFile(f"dist/{name}-cp311-cp311-{platform}.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
"""


def git(repository: Path, *words: str) -> str:
    who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(repository: Path, **files: str) -> None:
    """With *files* by the names that they have below."""
    for name, text in files.items():
        path = repository / NAMES[name]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Change something")


NAMES = {
    "version": "wscore/_version.py",
    "changelog": "CHANGELOG.md",
    "makefile": "Makefile",
    "build": "build.py",
    "ignored": ".gitignore",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One that can be released as 0.2.0."""
    where = tmp_path / "repository"
    where.mkdir()
    git(where, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Tests"), ("user.email", "tests@example.org")):
        git(where, "config", key, value)
    commit(
        where,
        version='__version__ = "0.1.0"\n',
        changelog=CHANGELOG,
        makefile=MAKEFILE,
        build=BUILD,
        ignored="/dist/\n",
    )
    return where


def release(repository: Path, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *words],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **how,
    )


def state(repository: Path) -> tuple[str, ...]:
    """What a refusal leaves as it was."""
    return (
        git(repository, "rev-parse", "HEAD"),
        git(repository, "tag"),
        git(repository, "status", "--porcelain"),
        (repository / NAMES["version"]).read_text(),
        (repository / NAMES["changelog"]).read_text(),
    )


def assert_refused(repository: Path, version: str, why: str) -> None:
    before = state(repository)
    done = release(repository, version)
    assert done.returncode == 1
    assert done.stderr.startswith(f"no release: {why}")
    assert state(repository) == before


# Refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("0.1.0", "0.1.0 is not newer than 0.1.0"),
        ("0.1.0rc1", "0.1.0rc1 is not newer than 0.1.0"),
        ("0.0.9", "0.0.9 is not newer than 0.1.0"),
        ("two", "Invalid version: 'two'"),
        ("v0.2.0", "v0.2.0 is not in its normal form, 0.2.0"),
        ("0.2.0-rc1", "0.2.0-rc1 is not in its normal form, 0.2.0rc1"),
        ("", "Invalid version: ''"),
        ("0.2.0+local", "0.2.0+local is a local version, which no index takes"),
    ],
)
def test_a_version_that_does_not_follow(repository: Path, version: str, why: str) -> None:
    assert_refused(repository, version, why)


def test_a_version_file_that_is_something_else(repository: Path) -> None:
    commit(repository, version='import os\n__version__ = "0.1.0"\n')
    assert_refused(repository, "0.2.0", "wscore/_version.py is not a single line")


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.py"])
def test_a_tree_that_is_not_clean(repository: Path, name: str) -> None:
    with (repository / name).open("a") as file:
        file.write("more\n")
    assert_refused(repository, "0.2.0", "the tree is not clean:\n")


def test_another_branch(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "topic")
    assert_refused(repository, "0.2.0", "releases are made on main, and this is topic")


def test_no_branch(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    assert_refused(repository, "0.2.0", "releases are made on main, and this is no branch")


def test_a_tag_that_exists(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")
    assert_refused(repository, "0.2.0", "the tag v0.2.0 exists")


@pytest.mark.parametrize(
    ("changelog", "why"),
    [
        ("# Changelog\n", "CHANGELOG.md has no sections"),
        (
            CHANGELOG.replace("unreleased", "2026-02-03"),
            "the newest section of CHANGELOG.md is released: ## [0.2.0] - 2026-02-03",
        ),
        (
            CHANGELOG.replace("0.2.0", "0.3.0"),
            "the newest section of CHANGELOG.md is that of 0.3.0",
        ),
        (
            CHANGELOG.replace("- Something.", ""),
            "the unreleased section of CHANGELOG.md is empty",
        ),
    ],
    ids=["no section", "released", "another version", "empty"],
)
def test_a_changelog_that_tells_nothing(repository: Path, changelog: str, why: str) -> None:
    commit(repository, changelog=changelog)
    assert_refused(repository, "0.2.0", why)


def test_a_folder_that_is_no_repository(repository: Path) -> None:
    (repository / ".git").rename(repository / "gone")
    done = release(repository, "0.2.0")
    assert done.returncode == 1
    assert done.stderr.startswith("no release: git rev-parse --show-toplevel: fatal: ")


def test_an_earlier_release_that_was_killed(repository: Path) -> None:
    """No signal handler runs at SIGKILL: what is left is named."""
    commit(repository, build="import os, signal; os.kill(os.getpgid(0), signal.SIGKILL)\n")
    before = state(repository)
    assert release(repository, "0.2.0", start_new_session=True).returncode == -signal.SIGKILL
    assert state(repository) != before
    for version in ("0.2.0", "0.3.0"):
        assert_refused(repository, version, "an earlier one of 0.2.0 was cut short: git reset")
    git(repository, "reset", "--keep", "HEAD~1")
    assert state(repository) == before


# After something was written -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "why"),
    [
        ("raise SystemExit(1)\n", "make wheels ended with status 2"),
        (BUILD.replace('["__version__"]', '["__version__"] + ".dev1"'), "is version 0.2.0.dev1"),
        (BUILD.replace(', "manylinux_2_17_x86_64"', ","), "has left no sdist or no wheel"),
        (BUILD.replace('"dist/{name}.tar.gz"', '"{name}.tar.gz"'), "has left no sdist"),
        (BUILD + 'open("build.py", "a").write("\\n")\n', "the tree is not clean:\nM build.py"),
        (
            "import os, signal; os.kill(os.getpgid(0), signal.SIGINT)\n",
            "no release: interrupted",
        ),
        ("import os, signal; os.kill(os.getpgid(0), signal.SIGTERM)\n", ""),
    ],
    ids=["fails", "version", "no wheel", "no sdist", "changes", "interrupted", "ended"],
)
def test_what_was_not_built_well_is_taken_back(repository: Path, build: str, why: str) -> None:
    commit(repository, build=build, ignored="/dist/\n*.tar.gz\n")
    before = state(repository)
    done = release(repository, "0.2.0", start_new_session=True)
    assert done.returncode == (1 if why else 128 + signal.SIGTERM)
    assert why in done.stderr
    git(repository, "restore", NAMES["build"])  # which is not that of the release
    assert state(repository) == before


def test_a_hook_that_refuses_the_commit(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not like this >&2\nexit 1\n")
    hook.chmod(0o755)
    before = state(repository)
    done = release(repository, "0.2.0")
    assert done.returncode == 1
    assert done.stderr.startswith("not like this\nno release: git commit ")
    assert state(repository) == before


def test_a_tag_that_cannot_be_signed(repository: Path) -> None:
    git(repository, "config", "tag.gpgSign", "true")
    git(repository, "config", "gpg.program", "false")
    before = state(repository)
    done = release(repository, "0.2.0")
    assert done.returncode == 1
    assert "no release: git tag " in done.stderr
    assert state(repository) == before


def test_a_machine_without_make(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(shutil.which("git") or "")
    before = state(repository)
    done = release(repository, "0.2.0", env={**os.environ, "PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    assert done.stderr.startswith("no release: [Errno 2] No such file or directory: 'make'")
    assert state(repository) == before


# Releases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", ["## [0.2.0] - unreleased", "## [Unreleased]"])
def test_a_release(repository: Path, heading: str) -> None:
    commit(repository, changelog=CHANGELOG.replace("## [0.2.0] - unreleased", heading))
    days = [datetime.now(timezone.utc).date()]
    done = release(repository, "0.2.0")
    days.append(datetime.now(timezone.utc).date())
    assert (done.returncode, done.stderr) == (0, "")
    assert (repository / NAMES["version"]).read_text() == '__version__ = "0.2.0"\n'
    assert (repository / NAMES["changelog"]).read_text() in [
        CHANGELOG.replace("unreleased", day.isoformat()) for day in days
    ]
    assert git(repository, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert git(repository, "show", "--format=", "--name-only").split() == [
        NAMES["changelog"],
        NAMES["version"],
    ]
    assert not git(repository, "status", "--porcelain")
    assert git(repository, "cat-file", "-t", "v0.2.0") == "tag"  # an annotated one
    assert git(repository, "rev-parse", "v0.2.0^{}") == git(repository, "rev-parse", "HEAD")
    _, push, _, upload = done.stdout.splitlines()[-4:]
    assert push == "    git push --atomic origin main v0.2.0"
    assert upload == (
        "    twine upload dist/wscore_engine-0.2.0.tar.gz"
        " dist/wscore_engine-0.2.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    )


def test_a_dry_run_changes_nothing(repository: Path) -> None:
    before = state(repository)
    done = release(repository, "--dry-run", "0.2.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing stands against v0.2.0, and nothing was changed\n"
    assert state(repository) == before
    assert not (repository / "dist").exists()


def test_a_dry_run_refuses_as_well(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")
    assert release(repository, "--dry-run", "0.2.0").returncode == 1
