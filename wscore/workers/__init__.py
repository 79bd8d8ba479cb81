"""``wscore serve APP --workers N``: an application in several processes that share one port."""

from .app import App
from .environment import Worker, current

__all__ = ["App", "Worker", "current"]
