"""Run a program as ``python`` does: ``play.py [--compat] PROGRAM [ARGUMENT ...]``.

With ``--compat``, what it imports as websockets is wscore.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    del sys.argv[0]
    if sys.argv[0] == "--compat":
        del sys.argv[0]
        from wscore import compat

        compat.install("websockets")
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
