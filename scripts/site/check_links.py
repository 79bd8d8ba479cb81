"""Follow every link of the built site: ``python -m scripts.site.check_links build/site``.

Files and anchors have to exist, every page has to be reached from the first, and nothing may be
loaded from another host: the site works without a network.
"""

from __future__ import annotations

import posixpath
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements whose addresses a browser loads by itself, where it is not `src` that holds them.
LOADED = {"link": "href", "object": "data", "use": "href", "video": "poster"}
# `link` elements that only say where something is.
NAMED_ONLY = {"canonical", "next", "prev"}


class Document(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.in_style = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.in_style = tag == "style"
        if tag in ("a", "area") and "href" in values:
            self.links.append(values["href"])
        if values.get("rel") not in NAMED_ONLY:
            self.loaded += [values[name] for name in ("src", LOADED.get(tag)) if name in values]
        # Several, each with what it is for.
        self.loaded += [
            each.split()[0] for each in values.get("srcset", "").split(",") if each.strip()
        ]
        self.loaded += loaded_by_css(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self.in_style:
            self.loaded += loaded_by_css(data)


def loaded_by_css(text: str) -> list[str]:
    """By ``url()`` and by ``@import``; not what stands in the style sheet itself."""
    found = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", text)
    return [url for url in map("".join, found) if not url.startswith(("data:", "#"))]


class Site:
    """All pages under a folder, by their paths in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages = {
            str(file.relative_to(folder)): Document(file) for file in folder.rglob("*.html")
        }
        self.styles = {
            str(file.relative_to(folder)): loaded_by_css(file.read_text(encoding="utf-8"))
            for file in folder.rglob("*.css")
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
            targets, problems = self.followed(path, page.links, page.loaded)
            found += problems
            waiting += sorted(targets & self.pages.keys() - reached)
            reached |= targets
        for path, loaded in self.styles.items():
            found += self.followed(path, [], loaded)[1]
        return found + [f"{path}: no page leads to it" for path in self.pages.keys() - reached]

    def followed(
        self, path: str, links: list[str], loaded: list[str]
    ) -> tuple[set[str], list[str]]:
        """The files that a file leads to, and what is wrong with its addresses."""
        targets = set()
        found = [f"{path} loads {url}" for url in loaded if urlsplit(url).netloc]
        for url in links + loaded:
            if not urlsplit(url).scheme and not urlsplit(url).netloc:
                target, problem = self.follow(path, url)
                targets.add(target)
                if problem:
                    found.append(f"{path}: {url}: {problem}")
        return targets, found

    def follow(self, path: str, url: str) -> tuple[str, str]:
        """The file that a link leads to, and what is wrong with it."""
        parts = urlsplit(url)
        there = posixpath.join(posixpath.dirname(path), unquote(parts.path)) if parts.path else path
        target = posixpath.normpath(there)
        if target.startswith(".."):
            return target, "outside of the site"
        if (self.folder / target).is_dir():
            target = posixpath.normpath(posixpath.join(target, "index.html"))
        elif there.endswith("/"):
            return target, "no such folder"
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
