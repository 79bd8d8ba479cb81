"""Builds the one extension; everything else stands in pyproject.toml.

``WSCORE_BUILD``: ``auto`` compiles and goes on without on failure, ``require`` fails instead,
``skip`` never compiles. No flags depend on the CPU: kernels carry their own target attributes.
"""

import os
import sys
from glob import glob
from pathlib import Path
from runpy import run_path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

mode = os.environ.get("WSCORE_BUILD", "auto")
if mode not in ("auto", "require", "skip"):
    raise SystemExit(f"WSCORE_BUILD={mode!r}: choose auto, require or skip")


class BuildSpeedups(build_ext):
    """Writes the docstrings first, and says in one line what a failed compilation means."""

    def build_extension(self, ext):
        run_path("scripts/docstrings.py")["write"](Path("wscore"))
        try:
            super().build_extension(ext)
        except (BaseError, CCompilerError) as failure:
            if mode == "require":
                raise CompileError(
                    f"WSCORE_BUILD=require, but {ext.name} could not be compiled: {failure}"
                ) from failure
            print(
                f"WARNING: {ext.name} could not be compiled ({failure}): "
                "wscore is installed with its slower pure-Python backend",
                file=sys.stderr,
            )


speedups = Extension(
    "wscore._speedups",
    ["wscore/_speedups.pyx", *sorted(glob("wscore/_kernels/*.c"))],
    depends=sorted(
        glob("wscore/_kernels/*.h")
        + glob("wscore/**/*.px[di]", recursive=True)
        + glob("wscore/_backend/*.py")  # their docstrings
    ),
    extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
    optional=mode == "auto",  # what was not built is not looked for afterwards
)

setup(
    ext_modules=[] if mode == "skip" else [speedups],
    cmdclass={"build_ext": BuildSpeedups},
)
