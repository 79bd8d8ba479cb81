"""What WSCORE_BUILD promises, and what a wheel, an sdist and an editable install hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.examples import ALONE, Example
from support.installing import (
    NO_COMPILER,
    ROOT,
    STRANGE,
    build_wheel,
    metadata,
    names,
    probe,
    run,
    script,
)

# With and without a compiler --------------------------------------------------------------------


def test_a_compiled_wheel_works_in_a_fresh_environment(
    compiled: tuple[Path, Path], tmp_path: Path
) -> None:
    backend, _, where = probe(compiled[1], tmp_path / STRANGE / "env")
    assert backend == "compiled"
    assert Path(where).is_relative_to(tmp_path / STRANGE / "env")


def test_auto_goes_on_without_a_compiler_and_says_so_once(source: Path, tmp_path: Path) -> None:
    done, wheel = build_wheel(source, tmp_path / "wheels", WSCORE_BUILD="auto", **NO_COMPILER)
    assert done.returncode == 0, done.stdout
    assert wheel is not None
    said = [line for line in done.stdout.splitlines() if "wscore._speedups could not" in line]
    assert len(said) == 1
    assert "installed with its slower pure-Python backend" in said[0]
    assert "/nonexistent" in said[0]
    assert_is_pure(wheel)
    assert probe(wheel, tmp_path / "env")[0] == "python"


def assert_is_pure(wheel: Path) -> None:
    """It has no binary, and installs on every platform."""
    assert not [name for name in names(wheel) if name.endswith((".so", ".pyd"))]
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        about = archive.read(path).decode()
    assert "Root-Is-Purelib: true" in about
    assert [line for line in about.splitlines() if line.startswith("Tag:")] == ["Tag: py3-none-any"]


def test_nothing_of_an_earlier_build_is_installed(
    compiled: tuple[Path, Path], tmp_path: Path
) -> None:
    """Neither its binary, where there is no compiler any more, nor a module that is gone."""
    source = shutil.copytree(compiled[0], tmp_path / "source")
    [built] = source.glob("build/lib.*/wscore")
    assert [*built.glob("_speedups*")]  # or there would be nothing to leave out
    (built / "gone.py").touch()
    with (source / "wscore" / "_speedups.pyx").open("a") as file:
        file.write("# changed\n")
    done, wheel = build_wheel(source, tmp_path / "wheels", **NO_COMPILER)
    assert done.returncode == 0, done.stdout
    assert "installed with its slower pure-Python backend" in done.stdout
    assert wheel is not None
    assert "wscore/gone.py" not in names(wheel)
    assert_is_pure(wheel)
    assert probe(wheel, tmp_path / "env")[0] == "python"
    done = run(script(tmp_path / "env", "wscore"), "info", cwd=tmp_path)
    assert "not compiled when it was installed" in done.stdout


@pytest.mark.parametrize("env", [NO_COMPILER, {"WSCORE_BUILD": "skip"}], ids=["no cc", "skip"])
def test_an_editable_install_removes_the_binary_of_an_earlier_one(
    source: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    stale, of_another = (
        source / "wscore" / f"_speedups{end}" for end in (suffix, ".cpython-39-other.so")
    )
    stale.touch()
    of_another.touch()
    env = {**env, "PYTHONPATH": sysconfig.get_path("purelib")}
    assert probe(source, tmp_path / "env", "--editable", **env)[0] == "python"
    assert not stale.exists()
    assert of_another.exists()


def test_require_fails_without_a_compiler_and_says_why(source: Path, tmp_path: Path) -> None:
    done, wheel = build_wheel(source, tmp_path / "wheels", WSCORE_BUILD="require", **NO_COMPILER)
    assert done.returncode != 0
    assert wheel is None
    assert "WSCORE_BUILD=require, but wscore._speedups could not be compiled" in done.stdout


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_a_compiler_that_leaves_nothing_has_failed(source: Path, tmp_path: Path, mode: str) -> None:
    env = {"CC": "true", "CXX": "true", "LDSHARED": "true", "WSCORE_BUILD": mode}
    done, wheel = build_wheel(source, tmp_path / "wheels", **env)
    assert "wscore._speedups could not be compiled" in done.stdout
    assert "the compiler has not left build/lib" in done.stdout
    if mode == "require":
        assert (done.returncode, wheel) == (1, None)
    else:
        assert wheel is not None
        assert_is_pure(wheel)


def test_skip_needs_neither_compiler_nor_cython(source: Path, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "Cython.py").write_text("raise ImportError('not on this machine')\n")
    env = {"PYTHONPATH": str(tmp_path / "without"), **NO_COMPILER}
    done, wheel = build_wheel(source, tmp_path / "wheels", WSCORE_BUILD="skip", **env)
    assert done.returncode == 0, done.stdout
    assert "could not be compiled" not in done.stdout
    assert wheel is not None
    assert_is_pure(wheel)
    assert not [*(source / "wscore").glob("_speedups*.[ch]")]
    assert probe(wheel, tmp_path / "env")[0] == "python"


def test_another_value_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    done, _ = build_wheel(source, tmp_path / "wheels", WSCORE_BUILD="yes")
    assert done.returncode != 0
    assert "WSCORE_BUILD='yes': choose auto, require or skip" in done.stdout


@pytest.mark.parametrize(
    ("env", "backend"),
    [({"WSCORE_BUILD": "require"}, "compiled"), (NO_COMPILER, "python")],
    ids=["compiler", "no compiler"],
)
def test_an_editable_install_works(
    source: Path, tmp_path: Path, env: dict[str, str], backend: str
) -> None:
    # The fresh environment has no setuptools and no Cython of its own.
    env = {**env, "PYTHONPATH": sysconfig.get_path("purelib")}
    found, _, where = probe(source, tmp_path / STRANGE / "env", "--editable", **env)
    assert found == backend
    assert Path(where).is_relative_to(source)


@pytest.fixture(scope="module")
def installed(compiled: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has nothing but the wheel."""
    where = tmp_path_factory.mktemp("installed") / "env"
    probe(compiled[1], where)
    return where


@pytest.mark.parametrize("example", ALONE, ids=lambda example: example.name)
def test_the_examples_run_as_printed(installed: Path, tmp_path: Path, example: Example) -> None:
    (tmp_path / "example.py").write_text(example.code, encoding="utf-8")
    # Libraries that some are about; wscore itself is that of the wheel.
    needs_more = any(
        name in example.code for name in ("fastapi", "redis:", "uvicorn_worker", "werkzeug")
    )
    extra = {"PYTHONPATH": sysconfig.get_path("purelib")} if needs_more else {}
    done = run(script(installed, "python"), "example.py", cwd=tmp_path, **extra)
    assert done.returncode == 0, done.stdout


def test_the_command_is_installed(installed: Path, tmp_path: Path) -> None:
    done = run(script(installed, "wscore"), "info", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "backend       compiled\n" in done.stdout


def test_try_wheel_fails_where_there_is_no_wheel(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "try_wheel.py"
    done = run(sys.executable, script, sys.executable, tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "No matching distribution" in done.stdout


# What is inside ---------------------------------------------------------------------------------


def test_a_wheel_holds_types_and_extension_but_no_sources(compiled: tuple[Path, Path]) -> None:
    inside = names(compiled[1])
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert {"wscore/py.typed", "wscore/_speedups.pyi", f"wscore/_speedups{suffix}"} <= inside
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "wscore").rglob("*.py")}
    assert modules <= inside
    sources = re.compile(r"\.(c|h|pyx|pxd|pxi|o)$")
    assert not [name for name in inside if sources.search(name)]
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"wscore", "wscore_engine"}


FOLDERS = {".ci", ".github", "bench", "docs", "examples", "scripts", "tests", "wscore"}


def files_in(folder: Path) -> set[str]:
    """What belongs to the project, and not to who works on it."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {
        file.as_posix()
        for file in files
        if file.parts[0] in FOLDERS
        or file.name in (".pre-commit-config.yaml", "LICENSE", "Makefile")
        or (len(file.parts) == 1 and file.suffix in (".md", ".py", ".toml", ".in"))
    }


def test_an_sdist_builds_from_itself(source: Path, tmp_path: Path) -> None:
    build = "import setuptools.build_meta as b; b.build_sdist('dist')"
    done = run(sys.executable, "-c", build, cwd=source)
    assert done.returncode == 0, done.stdout
    with tarfile.open(next((source / "dist").glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    # All that a clone has: `make test` and the documentation work from an sdist, too.
    assert len(files_in(source)) > 300
    assert not files_in(source) - files_in(unpacked)
    assert not [*(unpacked / "wscore").glob("_speedups*.[ch]")]
    shutil.rmtree(source)
    done, wheel = build_wheel(unpacked, tmp_path / "wheels", WSCORE_BUILD="require")
    assert done.returncode == 0, done.stdout
    assert wheel is not None
    assert probe(wheel, tmp_path / "env")[0] == "compiled"


def test_the_metadata_is_complete(compiled: tuple[Path, Path]) -> None:
    facts = metadata(compiled[1])
    version = re.search(r'"(.+)"', (ROOT / "wscore" / "_version.py").read_text())
    assert version is not None
    assert (facts["Name"], facts["Version"]) == ("wscore-engine", version[1])
    assert facts["Author"] == "The wscore authors"
    assert facts["License-Expression"] == "BSD-3-Clause"
    assert facts["Summary"]
    assert "websocket" in facts["Keywords"].split(",")
    links = dict(link.split(", ") for link in facts.get_all("Project-URL", []))
    assert links["Homepage"] == "https://pypi.org/project/wscore-engine/"
    classifiers = facts.get_all("Classifier", [])
    minors = {f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)}
    assert {"Typing :: Typed", "Framework :: AsyncIO"} | minors <= set(classifiers)
    assert not [name for name in classifiers if name.startswith("License ::")]  # PEP 639
    with zipfile.ZipFile(compiled[1]) as archive:
        [scripts] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "wscore = wscore.cli:main" in archive.read(scripts).decode()
    assert facts["Description-Content-Type"] == "text/markdown"
    assert facts.get_payload().startswith("# wscore")
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", facts["Version"])
    assert facts["Requires-Python"] == ">=3.10"
    assert set(facts.get_all("Provides-Extra", [])) >= {"peers", "bench", "test", "dev"}
    needs = facts.get_all("Requires-Dist", [])
    assert not [need for need in needs if "extra ==" not in need]  # Python is all that it needs
    # The extras are its own: `wscore` on the package index is somebody else's.
    assert not [need for need in needs if re.match(r"wscore(?!-engine\[)", need)]


# No CPU but the kernels' own --------------------------------------------------------------------


def test_no_compiler_flag_depends_on_the_cpu(source: Path, tmp_path: Path) -> None:
    """A compiler that notes what it is asked for, and leaves an empty file in place of each."""
    recorder = tmp_path / "recorder"
    recorder.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/flags\n'
        'while [ "$1" != -o ]; do shift; done\n: > "$2"\n'
    )
    recorder.chmod(0o755)
    done = run(sys.executable, "setup.py", "build_ext", cwd=source, CC=str(recorder))
    assert done.returncode == 0, done.stdout
    used = (tmp_path / "flags").read_text().split()
    assert any(word.endswith("avx512.c") for word in used)
    of_python = (sysconfig.get_config_var("CFLAGS") or "").split()
    ours = [word for word in used if word not in of_python]
    assert not [word for word in ours if re.match(r"-m(arch|cpu|tune|avx|sse|bmi)", word)]


def test_the_extension_does_not_say_that_it_can_do_without_the_gil(
    compiled: tuple[Path, Path],
) -> None:
    """Nobody has shown it: a free-threaded interpreter turns the GIL on when it imports wscore."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    headers = f"-I{sysconfig.get_path('include')}"
    source = compiled[0] / "wscore" / "_speedups.c"
    done = run(compiler, "-E", "-dM", headers, source, cwd=compiled[0])
    assert done.returncode == 0, done.stdout
    assert "#define __Pyx_FREETHREADING_COMPATIBLE Py_MOD_GIL_USED\n" in done.stdout


@pytest.mark.skipif(
    sysconfig.get_platform() != "linux-x86_64", reason="reads x86-64 machine code of ELF objects"
)
@pytest.mark.parametrize("name", ["_speedups", "cpu", "dispatch", "scalar", "sse2"])
def test_what_runs_on_every_cpu_needs_no_wide_registers(
    compiled: tuple[Path, Path], name: str
) -> None:
    objects = {path.stem: path for path in (compiled[0] / "build").rglob("*.o")}
    assert "%zmm" in disassembly(objects["avx512"])  # or the test would look at nothing
    assert not re.search(r"%[yz]mm\d", disassembly(objects[name]))


def disassembly(path: Path) -> str:
    return subprocess.run(
        ["objdump", "--disassemble", "--no-show-raw-insn", path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
