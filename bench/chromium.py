"""Headless Chromium by selenium: for measurements, and for the tests in a browser."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

__all__ = ["chromium", "missing"]

SCRIPT_TIMEOUT = 30.0  # seconds for a page or a script

# Background traffic, and QUIC beside it, is nothing that anybody here wants; root needs
# --no-sandbox.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Of several windows, one is in front; the others go on all the same.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # A page that is kept for the way back keeps its connections open too.
    "--disable-features=BackForwardCache",
]


def _find(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


CHROMIUM = _find("chromium", "chromium-browser", "google-chrome")
DRIVER = _find("chromedriver")


def missing() -> str:
    """What is needed and not installed; "" if all is there."""
    needed = {
        "chromium": CHROMIUM,
        "chromedriver": DRIVER,
        "selenium (PyPI)": find_spec("selenium"),
    }
    return ", ".join(name for name, found in needed.items() if not found)


@contextmanager
def chromium() -> Iterator[Any]:
    """A selenium driver of headless Chromium with a fresh profile; see `missing` first."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    # Chromium may still write there while it ends.
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        try:
            driver.set_page_load_timeout(SCRIPT_TIMEOUT)
            driver.set_script_timeout(SCRIPT_TIMEOUT)
            yield driver
        finally:
            driver.quit()
