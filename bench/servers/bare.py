"""The least that can answer, in C: what others reach of it is what is left of the machine."""

from __future__ import annotations

import os

from ..load.programs import program
from . import entry


def main() -> None:
    options = entry.arguments(("listener",))
    entry.raise_descriptor_limit()
    found = program("bare_echo")
    os.execv(found, [found, str(options.port)])


if __name__ == "__main__":
    main()
