"""The command line: ``python -m wscore``."""

from .main import main

__all__ = ["main"]
