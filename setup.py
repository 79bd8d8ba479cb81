"""Builds the one extension; everything else stands in pyproject.toml.

``WSCORE_BUILD``: ``auto`` compiles and goes on without on failure, ``require`` fails instead,
``skip`` never compiles. No flags depend on the CPU: kernels carry their own target attributes.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

mode = os.environ.get("WSCORE_BUILD", "auto")
if mode not in ("auto", "require", "skip"):
    raise SystemExit(f"WSCORE_BUILD={mode!r}: choose auto, require or skip")

speedups = Extension(
    "wscore._speedups",
    ["wscore/_speedups.pyx", *sorted(glob("wscore/_kernels/*.c"))],
    depends=sorted(glob("wscore/_kernels/*.h")),
    extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
    optional=mode == "auto",
)

setup(ext_modules=[] if mode == "skip" else [speedups])
