"""The release of websockets whose names and modules are offered here."""

from __future__ import annotations

__all__ = ["commit", "released", "tag", "version"]

released = True

tag = version = commit = "17.4"
