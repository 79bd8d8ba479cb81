"""Stand-ins for other WebSocket libraries, on wscore's engine.

`wscore.compat.websockets` has the names and modules of websockets. Import from it, or let it stand
in under the library's own name, for packages that are not yours to change:

    import wscore.compat
    wscore.compat.install("websockets")

Nothing happens before `install` is called.
"""

from __future__ import annotations

from .standing_in import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
