"""What `make wheels` builds by a cross compiler: which bytes, for which machine, from what."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from support.installing import GENERATED, ROOT

SCRIPTS = ROOT / "scripts" / "wheels"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
CPYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
NATIVE, FOREIGN = f"{VERSION}-x86_64-manylinux", f"{VERSION}-aarch64-musllinux"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the headers of other systems say nothing about Linux"
)


def output(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=800
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a copy of the sources: what `make wheels` has left in ours stays."""
    copy = shutil.copytree(ROOT, tmp_path_factory.mktemp("wheels") / "copy", ignore=GENERATED)
    build = copy / "scripts" / "wheels" / "build.py"
    said = output(sys.executable, build, "--twice", NATIVE, FOREIGN, cwd=copy)
    assert "built twice, 3 files with the same bytes\n" in said
    return copy / "dist"


def wheel_for(dist: Path, platform: str) -> Path:
    [found] = dist.glob(f"*-{CPYTHON}-*{platform}.whl")
    return found


def unpacked(wheel: Path, ending: str) -> tuple[str, bytes]:
    """The one file in *wheel* whose name has this end."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(ending)]
        return name, archive.read(name)


def test_there_is_what_was_wanted(dist: Path) -> None:
    output("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert listed == {file.name for file in dist.iterdir()} - {"SHA256SUMS"}
    tags = [
        sorted(tag.platform for tag in parse_wheel_filename(file.name)[3])
        for file in sorted(dist.glob("*.whl"))
    ]
    assert tags == [["manylinux2014_x86_64", "manylinux_2_17_x86_64"], ["musllinux_1_2_aarch64"]]
    assert len([*dist.glob("*.tar.gz")]) == 1


def test_the_native_one_works(dist: Path) -> None:
    said = output(sys.executable, ROOT / "scripts" / "try_wheel.py", sys.executable, dist, cwd=dist)
    facts = json.loads(said)
    assert facts["wheel"] == wheel_for(dist, "manylinux_2_17_x86_64").name
    assert facts["backend"] == "compiled"
    assert len(facts["examples"]) == 5


def test_the_foreign_one_is_for_that_machine(dist: Path, tmp_path: Path) -> None:
    libc = "gnu" if VERSION == "3.10" else "musl"
    wheel = wheel_for(dist, "musllinux_1_2_aarch64")
    name, binary = unpacked(wheel, f".cpython-{CPYTHON[2:]}-aarch64-linux-{libc}.so")
    assert name.startswith("wscore/_speedups.")
    (tmp_path / "binary").write_bytes(binary)
    said = output("readelf", "--wide", "-h", "-d", "-S", tmp_path / "binary", cwd=tmp_path)
    assert re.search(r"Machine: +AArch64", said)
    assert re.findall(r"\(NEEDED\).*\[(.+)\]", said) == ["libc.musl-aarch64.so.1"]
    assert not re.search(r"RPATH|RUNPATH|\.symtab|\.debug", said)
    # Nor does it tell where it was built.
    assert str(dist.parent).encode() not in binary


def test_a_wheel_tells_what_it_is_made_of(dist: Path) -> None:
    wheel = wheel_for(dist, "manylinux_2_17_x86_64")
    name, content = unpacked(wheel, ".dist-info/sboms/wscore.cdx.json")
    assert name in unpacked(wheel, ".dist-info/RECORD")[1].decode()
    bill = json.loads(content)
    assert bill["bomFormat"] == "CycloneDX"
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"]) == ("wscore-engine", wheel.name.split("-")[1])
    pins = (SCRIPTS / "build.txt").read_text() + (SCRIPTS / "tools.txt").read_text()
    named = [*bill["components"], *bill["metadata"]["tools"]["components"]]
    assert {"cython", "setuptools", "ziglang"} <= {part["name"] for part in named}
    for part in named:
        assert f"{part['name']}=={part['version']}" in pins


def test_another_name_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPTS / "build.py", "3.11-sparc-manylinux"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "3.11-sparc-manylinux: choose among 3.10-x86_64-manylinux " in done.stderr


# Pins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["build", "tools", "tests"])
def test_pins_are_of_what_is_wanted(name: str) -> None:
    text = (SCRIPTS / f"{name}.txt").read_text().replace("\\\n", "")
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)(.*)$", text, re.MULTILINE)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", rest) for _, _, rest in pinned)
    for line in (SCRIPTS / f"{name}.in").read_text().splitlines():
        if not line.startswith("#"):
            wanted = Requirement(line)
            assert any(
                project == wanted.name.lower() and wanted.specifier.contains(version)
                for project, version, _ in pinned
            )


def test_what_builds_is_what_pyproject_wants() -> None:
    about = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [requires] = re.findall(r"^requires = (\[.+\])$", about, re.MULTILINE)
    wanted = (SCRIPTS / "build.in").read_text().splitlines()
    assert sorted(json.loads(requires)) == sorted(
        line for line in wanted if not line.startswith("#")
    )
