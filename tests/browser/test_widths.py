"""What `make docs CHECK=1` sees of pages that do not fit on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scripts.site.check_widths import DESKTOP, PHONE, problems

if TYPE_CHECKING:
    from pathlib import Path

WIDE = '<div style="width: 2000px">wide</div>'


def seen(browser: Any, folder: Path, content: str) -> list[str]:
    """What is wrong, on a desktop and on a phone."""
    page = folder / "page.html"
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    page.write_text(f"<!doctype html>{viewport}<article>{content}</article>")
    try:
        return [told.removeprefix(f"{page}: ") for told in problems(browser, [page])]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(
    "content",
    ["<p>narrow</p>", f'<div style="overflow: auto">{WIDE}</div>'],
    ids=["narrow", "scrolls"],
)
def test_what_fits(browser: Any, tmp_path: Path, content: str) -> None:
    assert seen(browser, tmp_path, content) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (WIDE, " pixels wide on a screen of "),
        (f'<div style="overflow: hidden">{WIDE}</div>', "cut off on a screen of "),
        (f'<div style="position: relative; left: -90px">{"a" * 9}</div>', "cut off on a screen of"),
    ],
    ids=["wide", "right", "left"],
)
def test_what_does_not(browser: Any, tmp_path: Path, content: str, problem: str) -> None:
    found = seen(browser, tmp_path, content)
    assert len(found) == len((DESKTOP, PHONE))
    assert all(problem in told for told in found)
