"""What the command line prints: messages on stdout, notes on stderr, never a traceback."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = [
    "OutputError",
    "flush",
    "harmless",
    "is_terminal",
    "note",
    "prepare",
    "write",
]


class OutputError(Exception):
    """What was to be printed cannot be written: a closed pipe, a full disk. The text says why."""


def prepare() -> None:
    """Make the standard streams safe to use.

    Characters that an encoding lacks are escaped instead of raising. The numbers of streams that
    were closed before the process began are taken, so that no connection gets one of them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def write(text: str) -> None:
    """Write *text* to stdout at once. Raises OutputError."""
    if sys.stdout is None:  # closed before the process began
        raise OutputError("it is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _discard_unwritten()
        raise OutputError(getattr(error, "strerror", None) or str(error)) from None


def flush() -> None:
    """Write what stdout holds back. Raises OutputError."""
    if sys.stdout is not None:
        write("")


def note(text: str) -> None:
    """Print *text* as one line to stderr, so that stdout has messages only."""
    if sys.stderr is not None:  # it was closed before the process began
        with suppress(OSError, ValueError):  # nobody reads it: there is nobody to tell
            print(harmless(text, keep="\t"), file=sys.stderr, flush=True)


def harmless(text: str, keep: str = "\n\t") -> str:
    """Escape control characters, except those to *keep*: peers must not control the terminal."""
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether *stream* is a terminal; None, a stream that was closed, is not."""
    return stream is not None and stream.isatty()


def _discard_unwritten() -> None:
    """Drop what stdout holds back: at its exit the interpreter would try again, and complain."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
