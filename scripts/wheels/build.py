"""Builds the sdist and, from it, wheels for every Linux: by zig, which compiles for all of them.

Usage: build.py [--twice] [WHEEL]...   WHEEL: such as 3.11-aarch64-musllinux; all, if none is named

dist/ is made anew. With --twice all is built again, in folders of other names, and has to have the
same bytes. Needs Linux and the interpreters, whose headers serve all targets; see abi.c. What else
it takes is installed below build/wheels, by the hashes of build.txt and tools.txt.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from targets import (
    BUILD,
    DIST,
    ROOT,
    chosen,
    environment,
    interpreter,
    tools,
    version_of_wscore,
    written,
    zig,
)

if TYPE_CHECKING:
    from targets import Wheel

HERE = Path(__file__).resolve().parent
# Of a wheel; and of what of it is the extension. The rest are sources in Python, which alone take
# more than half a megabyte.
WHEEL_BYTES, EXTENSION_BYTES = 820_000, 260_000


def run(*command: str | Path, cwd: Path | None = None, **env: str) -> None:
    """Quietly, but for a command that fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{command}: status {done.returncode}")


def call_backend(hook: str, out: Path, python: Path, cwd: Path, **env: str) -> Path:
    """A hook of PEP 517 in an environment that has what it needs; it has written into *out*."""
    call = f"import sys, setuptools.build_meta as backend; backend.{hook}(sys.argv[1])"
    run(python, "-c", call, out, cwd=cwd, **env)
    [made] = out.iterdir()
    return made


# The sdist ---------------------------------------------------------------------------------------


def build_sdist(place: Path) -> Path:
    run(ROOT / "scripts" / "copy_sources.sh", place / "sources")
    out = place / "sdist"
    out.mkdir()
    python = environment("build", Path(sys.executable)) / "python"
    made = call_backend("build_sdist", out, python, place / "sources")
    return pack_again(made, place / made.name)


def pack_again(sdist: Path, out: Path) -> Path:
    """The same files in order, with one time and nobody's name: setuptools keeps what it finds."""
    with (
        tarfile.open(sdist) as old,
        out.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=written()) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            clean = tarfile.TarInfo(member.name)
            clean.type, clean.size, clean.mtime = member.type, member.size, written()
            clean.mode = 0o755 if member.mode & 0o100 else 0o644
            new.addfile(clean, old.extractfile(member))
    return out


# A wheel -----------------------------------------------------------------------------------------


def build_wheel(wheel: Wheel, sdist: Path, place: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    [source] = place.iterdir()
    for name in ("plain", "told", "tagged"):
        (place / name).mkdir()
    compiler = compiler_for(wheel, source)
    python = environment("build", interpreter(wheel.version)) / "python"
    check_headers(python, compiler, place)
    shared, generated = place.parent / "_speedups.c", source / "wscore" / "_speedups.c"
    if shared.exists():  # the same C for all wheels
        shutil.copy(shared, generated)
    plain = call_backend("build_wheel", place / "plain", python, source, **compiler)
    shutil.copy(generated, shared)
    told = add_bill(plain, place / "told")
    run(tools() / "auditwheel", "repair", "--wheel-dir", place / "tagged", told, **compiler)
    return wheel.find(place / "tagged")  # with the tags that it has to have


def compiler_for(wheel: Wheel, source: Path) -> dict[str, str]:
    """What setuptools and zig-cc read. Nothing of it depends on the machine or the folder."""
    return {
        "CC": str(HERE / "zig-cc"),
        # zig keeps frame pointers unless it is told, which takes 4 % of reading and writing.
        "CFLAGS": "-DNDEBUG -O3 -g0 -fwrapv -fomit-frame-pointer -Wall "
        f"-ffile-prefix-map={source}=.",
        "LDSHARED": f"{HERE / 'zig-cc'} -shared -O3 -s",
        "PATH": f"{tools()}{os.pathsep}{os.environ['PATH']}",
        "SETUPTOOLS_EXT_SUFFIX": wheel.target.extension_suffix(wheel.version),
        "WSCORE_BUILD": "require",
        "ZIG": str(zig()),
        "ZIG_TARGET": wheel.target.zig,
        "ZIG_GLOBAL_CACHE_DIR": str(BUILD / "zig"),
        # How CPython's own cross builds are told for what they are.
        "_PYTHON_HOST_PLATFORM": f"linux-{wheel.target.arch}",
    }


def check_headers(python: Path, compiler: dict[str, str], place: Path) -> None:
    ask = "import sysconfig; print(sysconfig.get_path('include'))"
    include = subprocess.check_output([python, "-c", ask], text=True).strip()
    run(HERE / "zig-cc", "-c", f"-I{include}", HERE / "abi.c", "-o", place / "abi.o", **compiler)
    (place / "abi.o").unlink()


def add_bill(wheel: Path, out: Path) -> Path:
    """Put the bill of materials where PEP 770 wants it."""
    run(tools() / "wheel", "unpack", "--dest", out, wheel)
    [unpacked] = out.iterdir()
    [info] = unpacked.glob("*.dist-info")
    (info / "sboms").mkdir()
    pins = (HERE / "build.txt", HERE / "tools.txt")
    command = (tools() / "python", HERE / "sbom.py", version_of_wscore(), str(written()), *pins)
    (info / "sboms" / "wscore.cdx.json").write_bytes(subprocess.check_output(command))
    run(tools() / "wheel", "pack", "--dest-dir", out, unpacked)
    [told] = out.glob("*.whl")
    return told


# What has to hold --------------------------------------------------------------------------------


def check(wheel: Wheel, built: Path) -> None:
    suffix = wheel.target.extension_suffix(wheel.version)
    with zipfile.ZipFile(built) as archive:
        packed = archive.getinfo(f"wscore/_speedups{suffix}").compress_size
    size = built.stat().st_size
    print(f"{built.name}: {size:,} bytes, the extension {packed:,} of them")
    if size > WHEEL_BYTES or packed > EXTENSION_BYTES:
        raise SystemExit(f"at most {WHEEL_BYTES:,} and {EXTENSION_BYTES:,} are allowed")


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def build_all(wheels: list[Wheel], place: Path) -> list[Path]:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    built = [build_sdist(place)]
    for wheel in wheels:
        (place / wheel.name).mkdir()
        built.append(build_wheel(wheel, built[0], place / wheel.name))
        check(wheel, built[-1])
    return built


def main(arguments: list[str]) -> None:
    # What archives tell of files does not depend on who builds and when.
    os.umask(0o022)
    os.environ["SOURCE_DATE_EPOCH"] = str(written())
    twice = "--twice" in arguments
    wheels = chosen([name for name in arguments if name != "--twice"])
    built = build_all(wheels, BUILD / "work")
    run(tools() / "twine", "check", "--strict", *built)
    if twice:
        again = {file.name: digest(file) for file in build_all(wheels, BUILD / "again" / "apart")}
        different = [file.name for file in built if again[file.name] != digest(file)]
        if different:
            raise SystemExit(f"built twice, and not the same: {' '.join(different)}")
        print(f"built twice, {len(built)} files with the same bytes")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for file in built:
        shutil.copy(file, DIST)
    sums = [f"{digest(file)}  {file.name}\n" for file in sorted(DIST.iterdir())]
    (DIST / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main(sys.argv[1:])
