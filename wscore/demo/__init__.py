"""An echo server with a page to try it in a browser: ``python -m wscore serve``."""

from .server import echo_server, run

__all__ = ["echo_server", "run"]
