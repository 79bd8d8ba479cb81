"""What the search lists first: pages that answer a question, and last those that have the word.

MkDocs calls the functions whose names begin with ``on_``.
"""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

# By the beginning of the page's path.
BOOSTS = {
    "guides/": 4.0,
    **dict.fromkeys(["server", "heartbeat", "reconnection"], 4.0),
    **dict.fromkeys(["compression", "handshakes", "hub"], 4.0),
    **dict.fromkeys(["reference/", "tutorials/"], 0.5),
    **dict.fromkeys(["architecture", "attacks", "report", "examples/"], 0.25),
    **dict.fromkeys(["CHANGELOG", "CONTRIBUTING"], 0.25),
}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    for path, boost in BOOSTS.items():
        if page.file.src_uri.startswith(path):
            page.meta.setdefault("search", {"boost": boost})
