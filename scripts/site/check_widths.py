"""Open every page of the built site in Chromium, on a desktop and on a phone: nothing sticks out.

``python -m scripts.site.check_widths build/site``. Wide tables and code have to scroll in their own
frames, and the page not at all. Without Chromium nothing is checked, and that is said;
``WSCORE_REQUIRE_BROWSER=1`` (CI) makes it a failure.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from bench.chromium import chromium, missing

DESKTOP, PHONE = (1280, 900), (390, 844)
# How wide the page is, and how wide what is seen of it; what of its text is cut off, because it
# begins left of the screen or ends right of it, where nothing scrolls.
LOOK = """
const page = document.documentElement;
const scrolls = (each) => each && (
    ["auto", "scroll"].includes(getComputedStyle(each).overflowX) || scrolls(each.parentElement));
const cut = [...document.querySelectorAll("article *")].filter((each) => {
    const place = each.getBoundingClientRect();
    const sticksOut = place.left < -1 || place.right > page.clientWidth + 1;
    return place.width && place.height && sticksOut && !scrolls(each.parentElement);
});
return [page.scrollWidth, page.clientWidth, cut.map((each) => each.outerHTML.slice(0, 60))];
"""


def resize(driver: Any, size: tuple[int, int]) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def problems(driver: Any, pages: list[Path]) -> list[str]:
    found = []
    for size in (DESKTOP, PHONE):
        resize(driver, size)
        for page in pages:
            driver.get(page.resolve().as_uri())
            whole, seen, cut = driver.execute_script(LOOK)
            if whole > seen:
                found.append(f"{page}: {whole} pixels wide on a screen of {seen}")
            elif cut:
                found.append(f"{page}: cut off on a screen of {seen}: {cut[0]}")
    return found


def without_chromium(what: str) -> int | None:
    """The exit status if there is no Chromium, after saying what is not checked."""
    absent = missing()
    if not absent:
        return None
    print(f"{what} not checked: there is no {absent}")
    return 1 if os.environ.get("WSCORE_REQUIRE_BROWSER", "") not in ("", "0") else 0


def main(folder: str) -> int:
    status = without_chromium("widths are")
    if status is not None:
        return status
    # Listings of code are all alike, and many.
    pages = [page for page in sorted(Path(folder).rglob("*.html")) if "source" not in page.parts]
    with chromium() as driver:
        found = problems(driver, pages)
    for problem in found:
        print(problem)
    print(f"{len(pages)} pages, {len(found)} wider than the screen")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
