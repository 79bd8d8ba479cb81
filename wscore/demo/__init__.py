"""A chat on `wscore.Hub`, and an echo, to try in a browser: ``python -m wscore serve``."""

from .server import demo_server, node, run

__all__ = ["demo_server", "node", "run"]
