"""Links and anchors of Markdown documents, as GitHub reads them."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["anchors", "links"]

_link = re.compile(r"!?\[[^\]]*\]\((?!\w+:)([^)#]*)(#[^)]+)?\)")
_code = re.compile(r"^(```+|~~~+).*?^\1$", re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[tuple[str, str]]:
    """Path, empty within the page, and anchor, with its #, of each link to a file."""
    return _link.findall(page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Those of its headings, and on the site of its entries of the reference."""
    text = _code.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    entries = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    return {
        *("#" + re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings),
        *(f"#{entry}" for entry in entries),
    }
