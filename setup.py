"""Builds the one extension; everything else stands in pyproject.toml.

``WSCORE_BUILD``: ``auto`` compiles and goes on without on failure, ``require`` fails instead,
``skip`` never compiles. No flags depend on the CPU: kernels carry their own target attributes.
"""

import os
import shutil
import sys
from glob import glob
from pathlib import Path
from runpy import run_path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CCompilerError, CompileError

PACKAGE = Path("wscore")
mode = os.environ.get("WSCORE_BUILD", "auto")
if mode not in ("auto", "require", "skip"):
    raise SystemExit(f"WSCORE_BUILD={mode!r}: choose auto, require or skip")


class BuildModules(build_py):
    """Begins with an empty folder: what an earlier build left there would be installed, too."""

    def run(self):
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib, PACKAGE), ignore_errors=True)
        elif mode == "skip":
            speedups_file = self.get_finalized_command("build_ext").get_ext_filename(speedups.name)
            Path(speedups_file).unlink(missing_ok=True)
        super().run()


class BuildSpeedups(build_ext):
    """Writes the docstrings first, and says in one line what a failed compilation means."""

    def build_extension(self, ext):
        run_path("scripts/docstrings.py")["write"](PACKAGE)
        try:
            super().build_extension(ext)
            # Not every compiler that fails says so; and another build may share this folder.
            if not (built := Path(self.get_ext_fullpath(ext.name))).is_file():
                raise CompileError(f"the compiler has not left {built}")
        except (BaseError, CCompilerError) as failure:
            if mode == "require":
                raise CompileError(
                    f"WSCORE_BUILD=require, but {ext.name} could not be compiled: {failure}"
                ) from failure
            self.go_on_without(ext)
            print(
                f"WARNING: {ext.name} could not be compiled ({failure}): "
                "wscore is installed with its slower pure-Python backend",
                file=sys.stderr,
            )

    def go_on_without(self, ext):
        """Remove the binary of an earlier build, which is not that of these sources."""
        Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
        if self.editable_mode:
            Path(self.get_ext_filename(ext.name)).unlink(missing_ok=True)
        self.distribution.ext_modules = []


class Wheel(bdist_wheel):
    """Builds before it chooses a tag: a wheel without the extension is for every platform."""

    def run(self):
        if not self.skip_build:
            self.run_command("build")
        self.root_is_pure = not self.distribution.has_ext_modules()
        super().run()


speedups = Extension(
    "wscore._speedups",
    ["wscore/_speedups.pyx", *sorted(glob("wscore/_kernels/*.c"))],
    depends=sorted(
        glob("wscore/_kernels/*.h")
        + glob("wscore/**/*.px[di]", recursive=True)
        + glob("wscore/_backend/*.py")  # their docstrings
        + ["wscore/_version.py"]
    ),
    # A level in CFLAGS counts, and would not if another one followed it.
    extra_compile_args=(
        [] if sys.platform == "win32" or "-O" in os.environ.get("CFLAGS", "") else ["-O3"]
    ),
    optional=mode == "auto",  # what was not built is not looked for afterwards
)

setup(
    ext_modules=[] if mode == "skip" else [speedups],
    cmdclass={"build_py": BuildModules, "build_ext": BuildSpeedups, "bdist_wheel": Wheel},
)
