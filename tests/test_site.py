"""The pages of the documentation as a site: each is found, and each public name is explained.

`make docs CHECK=1` builds the site and follows the links of the pages that come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.links import anchors, links

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Documents of the repository that the site has, too.
OUTSIDE = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"]


def navigation() -> list[Any]:
    """The last entry of mkdocs.yml, the rest of which has tags that only MkDocs knows."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text[text.index("\nnav:\n") :])["nav"]


def named(entries: Any) -> Iterator[str]:
    """The pages in it, as often as they are named."""
    if isinstance(entries, str):
        yield entries
    else:
        for entry in entries.values() if isinstance(entries, dict) else entries:
            yield from named(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    assert sorted(named(navigation())) == sorted([*pages, *OUTSIDE])


@pytest.mark.parametrize("name", OUTSIDE)
def test_links_of_other_documents_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for path, anchor in links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), path + anchor
