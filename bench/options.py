"""The command line of benchmarks that have rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["parse"]


def parse(
    argv: Sequence[str] | None,
    module: str,
    description: str,
    rows: Iterable[str],
    **extent: float,
) -> argparse.Namespace:
    """Options of ``bench.`` *module*: which of *rows*, each of *extent*, and where to write.

    *extent* are the defaults of numbers such as ``rounds``. Exits on what is no such option.
    """
    names = list(rows)
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=description)
    parser.add_argument("rows", nargs="*", metavar="row", help="of " + ", ".join(names))
    for name, default in extent.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--document", type=Path, help="write the table between its markers")
    options = parser.parse_args(argv)
    if not set(options.rows) <= set(names):
        parser.error(f"no such row: choose from {', '.join(names)}")
    return options
