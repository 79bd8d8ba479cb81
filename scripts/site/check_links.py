"""Follow every link of the built site: ``python -m scripts.site.check_links build/site``.

Files and anchors have to exist, every page has to be reached from the first, and nothing may be
loaded from another host: the site works without a network.
"""

from __future__ import annotations

import posixpath
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements whose addresses a browser loads by itself, with the attribute that holds them.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
# `link` elements that only say where something is.
NAMED_ONLY = {"canonical", "next", "prev"}


class Document(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") not in NAMED_ONLY:
            self.loaded.append(values[LOADED[tag]])


class Site:
    """All pages under a folder, by their paths in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages = {
            str(file.relative_to(folder)): Document(file) for file in folder.rglob("*.html")
        }
        # What a server answers with for a path that is not there; it has addresses from the root.
        self.pages.pop("404.html", None)

    def problems(self) -> list[str]:
        found = []
        reached = {"index.html"}
        waiting = ["index.html"]
        while waiting:
            path = waiting.pop()
            page = self.pages[path]
            found += [f"{path} loads {url}" for url in page.loaded if urlsplit(url).netloc]
            for url in page.links + page.loaded:
                if urlsplit(url).scheme or urlsplit(url).netloc:
                    continue
                target, problem = self.follow(path, url)
                if problem:
                    found.append(f"{path}: {url}: {problem}")
                if target in self.pages and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return found + [f"{path}: no page leads to it" for path in self.pages.keys() - reached]

    def follow(self, path: str, url: str) -> tuple[str, str]:
        """The file that a link leads to, and what is wrong with it."""
        parts = urlsplit(url)
        there = posixpath.join(posixpath.dirname(path), unquote(parts.path)) if parts.path else path
        target = posixpath.normpath(there)
        if (self.folder / target).is_dir():
            target = posixpath.normpath(posixpath.join(target, "index.html"))
        if not (self.folder / target).is_file():
            return target, "no such file"
        anchor = unquote(parts.fragment)
        if anchor and target in self.pages and anchor not in self.pages[target].anchors:
            return target, "no such anchor"
        return target, ""


def main(folder: str) -> int:
    site = Site(Path(folder))
    problems = site.problems()
    for problem in problems:
        print(problem)
    links = sum(len(page.links) + len(page.loaded) for page in site.pages.values())
    print(f"{len(site.pages)} pages, {links} links, {len(problems)} problems")
    return 1 if problems or not links else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
