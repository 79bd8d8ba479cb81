"""``python -m bench.page``: write the report and draw its charts, from what was measured."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..charts import CHARTS, draw_all
from ..machine import ROOT
from ..samples import Unusable
from .render import parts, render

__all__ = ["main"]

RESULTS, DOCUMENT, DRAWN = ROOT / "bench", ROOT / "docs/report.md", ROOT / "docs/charts"


def main(argv: list[str] | None = None) -> int:
    """Write page and charts; 1 and a message if a file of results is missing or unusable."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="Write the report.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the page to write")
    parser.add_argument("--charts", type=Path, default=DRAWN, help="folder of the charts")
    options = parser.parse_args(argv)
    try:
        found = parts(options.results)
    except Unusable as error:
        print(f"no report: {error}", file=sys.stderr)
        return 1
    here = options.document.resolve().parent
    folders = (os.path.relpath(folder, here) for folder in (options.results, options.charts))
    options.document.write_text(render(found, *folders), encoding="utf-8")
    drawn = {name for part in found for name in draw_all(part.document, options.charts)}
    for name in CHARTS.keys() - drawn:  # of results that are no more
        (options.charts / f"{name}.svg").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
