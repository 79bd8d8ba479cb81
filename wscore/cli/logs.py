"""Log records on stderr, as a server started by the command line writes them."""

from __future__ import annotations

import logging

__all__ = ["log_to_stderr"]


def log_to_stderr(level: str, process: str = "", *, connections: bool = True) -> None:
    """Write records of *level* and above; *process* tells which of several wrote a line.

    Without *connections*, nothing is said of those that records are about.
    """
    about = {"websocket": "-", "remote_address": "-"}
    layout = f"%(asctime)s %(levelname)s {process}{': ' * bool(process)}"
    layout += "%(remote_address)s %(websocket)s " * connections + "%(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(layout, defaults=about))
    logging.basicConfig(level=level.upper(), handlers=[handler])
