"""``make release VERSION=0.2.0``: a commit, its tag, and what is uploaded for it.

Everything is checked before anything is written, and the tag is set last, on what was built and
looked at. Whatever fails or ends it meanwhile, the repository is as before. Nothing is pushed or
uploaded: the script ends with the two commands that do.
"""

from __future__ import annotations

import argparse
import email
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version

BRANCH = "main"
VERSION_FILE = Path("wscore/_version.py")
CHANGELOG = Path("CHANGELOG.md")
WRITTEN = (str(VERSION_FILE), str(CHANGELOG))
DIST = Path("dist")
SECTION = re.compile(r"^## \[(?P<title>[^\]]+)\](?: - (?P<date>.*))?$", re.MULTILINE)


class Refusal(Exception):
    """Why there is no release."""


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"{shlex.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def run(*command: str) -> None:
    """In sight: builds and the hooks of git have something to say."""
    if status := subprocess.run(command).returncode:
        raise Refusal(f"{shlex.join(command)} ended with status {status}")


# What is there before --------------------------------------------------------------------------


def checked_version(text: str) -> str:
    """*text*, if it is the normal form of a version that is newer than the present one."""
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise Refusal(str(error)) from None
    if str(version) != text:
        raise Refusal(f"{text} is not in its normal form, {version}")
    if version.local:
        raise Refusal(f"{text} is a local version, which no index takes")
    present = Version(present_version())
    if output("git", "log", "-1", "--format=%s") == subject(str(present)) and not tagged(present):
        raise Refusal(
            f"an earlier one of {present} was cut short: git reset --keep HEAD~1 takes it back"
        )
    if version <= present:
        raise Refusal(f"{text} is not newer than {present} of {VERSION_FILE}")
    return text


def subject(version: str) -> str:
    """The first line of the commit, and of the tag."""
    return f"Release {version}"


def tagged(version: object) -> bool:
    return bool(output("git", "tag", "--list", f"v{version}"))


def present_version() -> str:
    found = re.fullmatch(r'__version__ = "(.+)"\n', VERSION_FILE.read_text(encoding="utf-8"))
    if not found:
        raise Refusal(f"{VERSION_FILE} is not a single line with the version")
    return found[1]


def check_repository(version: str) -> None:
    branch = output("git", "branch", "--show-current")
    if branch != BRANCH:
        raise Refusal(f"releases are made on {BRANCH}, and this is {branch or 'no branch'}")
    check_clean()
    if tagged(version):
        raise Refusal(f"the tag v{version} exists")


def check_clean() -> None:
    if changed := output("git", "status", "--porcelain"):
        raise Refusal(f"the tree is not clean:\n{changed}")


def dated_changelog(version: str, date: str) -> str:
    """The changelog with *date* in the heading of its newest section, still unreleased."""
    text = CHANGELOG.read_text(encoding="utf-8")
    headings = [*SECTION.finditer(text)]
    if not headings:
        raise Refusal(f"{CHANGELOG} has no sections")
    newest, *older = headings
    if newest["title"].lower() != "unreleased" and (newest["date"] or "").lower() != "unreleased":
        raise Refusal(f"the newest section of {CHANGELOG} is released: {newest[0]}")
    if newest["title"] not in (version, "Unreleased"):
        raise Refusal(f"the newest section of {CHANGELOG} is that of {newest['title']}")
    body = text[newest.end() : older[0].start() if older else len(text)]
    if not [line for line in body.splitlines() if line.strip() and not line.startswith("#")]:
        raise Refusal(f"the unreleased section of {CHANGELOG} is empty")
    return f"{text[: newest.start()]}## [{version}] - {date}{text[newest.end() :]}"


# What is made ----------------------------------------------------------------------------------


def build(version: str) -> list[Path]:
    """What ``make wheels`` leaves, as far as an index takes it."""
    run("make", "wheels")
    check_clean()  # or what was built may be something else than what was committed
    built = [*sorted(DIST.rglob("*.tar.gz")), *sorted(DIST.rglob("*.whl"))]
    for path in built:
        if (inside := version_inside(path)) != version:
            raise Refusal(f"{path} is version {inside}")
    uploaded = [path for path in built if is_for_an_index(path)]
    if {path.suffix for path in uploaded} != {".gz", ".whl"}:
        raise Refusal(f"make wheels has left no sdist or no wheel for an index in {DIST}")
    return uploaded


def version_inside(path: Path) -> str:
    """What the metadata of a wheel or an sdist says."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            metadata = wheel.read(name)
    else:
        with tarfile.open(path) as sdist:
            file = sdist.extractfile(path.name.removesuffix(".tar.gz") + "/PKG-INFO")
            assert file is not None
            metadata = file.read()
    return str(email.message_from_bytes(metadata)["Version"])


def is_for_an_index(path: Path) -> bool:
    """Wheels for a bare ``linux`` run on machines like this one, and are refused there."""
    if path.suffix != ".whl":
        return True
    *_, tags = parse_wheel_filename(path.name)
    return not any(tag.platform.startswith("linux_") for tag in tags)


@contextmanager
def undone_if_it_fails(tag: str) -> Iterator[None]:
    """Also by Control-C, or by a signal that asks to end. Nothing else in the tree is touched."""
    start = output("git", "rev-parse", "HEAD")
    for asked in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except BaseException:
        subprocess.run(["git", "tag", "--delete", tag], capture_output=True)  # if it is there
        output("git", "reset", "--quiet", "--soft", start)
        output("git", "restore", "--staged", "--worktree", *WRITTEN)
        raise


def release(version: str, dry_run: bool) -> None:
    os.chdir(output("git", "rev-parse", "--show-toplevel"))
    tag = f"v{checked_version(version)}"
    check_repository(version)
    changelog = dated_changelog(version, datetime.now(timezone.utc).date().isoformat())
    if dry_run:
        print(f"nothing stands against {tag}, and nothing was changed")
        return
    message = subject(version)
    with undone_if_it_fails(tag):
        VERSION_FILE.write_text(f'__version__ = "{version}"\n', encoding="utf-8")
        CHANGELOG.write_text(changelog, encoding="utf-8")
        run("git", "commit", "--quiet", "--message", message, *WRITTEN)
        uploaded = build(version)
        run("git", "tag", "--annotate", tag, "--message", message)
    print(f"{tag} is made. To publish it, by .github/workflows/release.yml:")
    print(f"    git push --atomic origin {BRANCH} {tag}")
    print("where that does not run, upload it as well:")
    print(f"    {shlex.join(['twine', 'upload', *map(str, uploaded)])}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/release.py", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--dry-run", action="store_true", help="only check")
    options = parser.parse_args()
    try:
        release(options.version, options.dry_run)
    except (Refusal, OSError) as refusal:  # such as a missing program, or a full disk
        sys.exit(f"no release: {refusal}")
    except KeyboardInterrupt:
        sys.exit("no release: interrupted")


if __name__ == "__main__":
    main()
