"""What stops `make wheels`: other hashes, headers that are wrong, sizes, and differences."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from support.installing import ROOT

SCRIPTS = ROOT / "scripts" / "wheels"
NAME = f"{sys.version_info.major}.{sys.version_info.minor}-x86_64-manylinux"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the headers of other systems say nothing about Linux"
)


def load(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = spec_from_file_location(f"wheels_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, which builds nothing and writes below *tmp_path*."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    module = load(SCRIPTS / "build.py", monkeypatch)
    for name, folder in (("BUILD", "build"), ("DIST", "dist")):
        monkeypatch.setattr(module, name, tmp_path / folder)
    monkeypatch.setattr(module, "run", lambda *command, **how: None)
    monkeypatch.setattr(module, "tools", Path)
    mask = os.umask(0o022)
    yield module
    os.umask(mask)


# Sizes and differences ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extension", "others", "fits"),
    [(250_000, 500_000, True), (270_000, 0, False), (250_000, 600_000, False)],
)
def test_a_wheel_that_is_too_large_is_refused(
    build: Any, tmp_path: Path, extension: int, others: int, fits: bool
) -> None:
    [wheel] = build.chosen([NAME])
    suffix = wheel.target.extension_suffix(wheel.version)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:  # nothing is packed smaller
        archive.writestr(f"wscore/_speedups{suffix}", bytes(extension))
        archive.writestr("wscore/__init__.py", bytes(others))
    if fits:
        build.check(wheel, tmp_path / "a.whl")
    else:
        with pytest.raises(SystemExit, match="at most 820,000 and 260,000 are allowed"):
            build.check(wheel, tmp_path / "a.whl")


@pytest.mark.parametrize("second", ["same", "other"])
def test_a_difference_between_two_builds_is_found(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    contents = iter(["same", second])

    def build_all(wheels: object, place: Path) -> list[Path]:
        place.mkdir(parents=True)
        (place / "a.tar.gz").write_text("the sdist")
        (place / "a.whl").write_text(next(contents))
        return [place / "a.tar.gz", place / "a.whl"]

    monkeypatch.setattr(build, "build_all", build_all)
    if second == "same":
        build.main(["--twice", NAME])
        assert {file.name for file in (tmp_path / "dist").iterdir()} == {
            *("SHA256SUMS", "a.tar.gz", "a.whl")
        }
    else:
        with pytest.raises(SystemExit, match=r"built twice, and not the same: a\.whl$"):
            build.main(["--twice", NAME])
        assert not (tmp_path / "dist").exists()


def test_a_wheel_of_another_version_is_not_taken_for_one_of_this(
    build: Any, tmp_path: Path
) -> None:
    [wheel] = build.chosen([NAME])
    cpython = f"cp{wheel.version.replace('.', '')}"
    rest = f"{cpython}-{cpython}-manylinux2014_x86_64.{wheel.target.platform}.whl"
    for version in ("0.0.1", build.version_of_wscore(), "99.0"):
        (tmp_path / f"wscore_engine-{version}-{rest}").touch()
    assert wheel.find(tmp_path).name == f"wscore_engine-{build.version_of_wscore()}-{rest}"


# Pins --------------------------------------------------------------------------------------------


def project(folder: Path) -> str:
    """The hash of a wheel of *some-project* there."""
    folder.mkdir()
    wheel = folder / "some_project-1.0-py3-none-any.whl"
    files = {
        "some_project.py": "",
        "some_project-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: some-project\n"
        "Version: 1.0\n",
        "some_project-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        "some_project-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_a_file_with_another_hash_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    right = project(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    where = tmp_path / "scripts" / "wheels"
    where.mkdir(parents=True)
    shutil.copy(SCRIPTS / "targets.py", where)
    targets = load(where / "targets.py", monkeypatch)
    pins = where / "some.txt"
    pins.write_text(f"some-project==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(subprocess.CalledProcessError):
        targets.environment("some", Path(sys.executable))
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    pins.write_text(f"some-project==1.0 --hash=sha256:{right}\n")
    programs = targets.environment("some", Path(sys.executable))
    assert [*programs.parent.rglob("some_project.py")]


# Headers -----------------------------------------------------------------------------------------

CHANGES = {
    "nothing": ("", ""),
    "a size": (r"define SIZEOF_LONG 8", "define SIZEOF_LONG 4"),
    "another size": (r"define SIZEOF_WCHAR_T 4", "define SIZEOF_WCHAR_T 2"),
    "an alignment": (r"define ALIGNOF_SIZE_T 8", "define ALIGNOF_SIZE_T 4"),
    "the byte order": (r"/\* # +undef WORDS_BIGENDIAN \*/", "#define WORDS_BIGENDIAN 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_headers_that_are_wrong_about_the_target_are_refused(change: str, tmp_path: Path) -> None:
    include = Path(sysconfig.get_path("include"))
    [config] = include.glob("pyconfig.h")
    text = config.read_text()
    if "SIZEOF_LONG" not in text:
        pytest.skip("this pyconfig.h only leads to that of the machine")
    changed, count = re.subn(*CHANGES[change], text, count=1)
    assert count == 1
    (tmp_path / "pyconfig.h").write_text(changed)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    command = [compiler, "-fsyntax-only", f"-I{tmp_path}", f"-I{include}", SCRIPTS / "abi.c"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if change == "nothing":
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert re.search("static assertion failed|byte order", done.stderr)
