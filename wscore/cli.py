"""The ``wscore`` command: one function adds each subcommand's options, one runs it."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence

from . import _backend
from ._version import __version__

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, by default the process's own; return its exit status.

    Raises SystemExit for ``--help``, ``--version`` and arguments that are wrong.
    """
    options = _parser().parse_args(argv)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wscore", description="The WebSocket engine for Python.")
    parser.add_argument("--version", action="version", version=f"wscore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    return parser


# info -----------------------------------------------------------------------------------------


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "show the backend and kernel in use, and which libraries can be lifted"
    info = commands.add_parser("info", help=summary, description=f"{summary.capitalize()}.")
    info.set_defaults(run=_info)


def _info(_: argparse.Namespace) -> int:
    from .lifts import survey

    facts = {
        "wscore": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "backend": _backend.BACKEND,
        "kernel": f"{_backend.KERNEL}, of {', '.join(_backend.kernels())}",
        "CPU features": ", ".join(_backend.CPU_FEATURES) or "none that kernels use",
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:{width}}  {fact}")
    print(f"\nwscore.accelerate(), library by library:\n\n{survey()}")
    return 0
