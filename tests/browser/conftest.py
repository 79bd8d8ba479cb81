"""Chromium, and the server that it talks to."""

from support.chromium import browser, server

__all__ = ["browser", "server"]
