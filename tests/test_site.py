"""The pages of the documentation as a site: each is found, and each public name is explained.

`make docs CHECK=1` builds the site and follows the links of the pages that come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import yaml
from support.links import anchors, links

import wscore
from scripts.site.check_links import Site

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


FIGURE = re.compile(r"\d[\d,]*,\d{3}|\d[\d.]* KiB")


def test_figures_are_those_of_the_report() -> None:
    """Who has measured again, and written the report, brings this page up to date."""
    report = (DOCS / "report.md").read_text(encoding="utf-8")
    quoted = FIGURE.findall((DOCS / "why-fast.md").read_text(encoding="utf-8"))
    assert len(quoted) > 8
    assert not [figure for figure in quoted if figure not in report]


# The reference -------------------------------------------------------------------------------

PUBLIC = [
    *("wscore", "wscore.acceleration", "wscore.asgi", "wscore.bridge", "wscore.codes"),
    *("wscore.compat", "wscore.deflate", "wscore.errors", "wscore.extensions", "wscore.frames"),
    *("wscore.headers", "wscore.hub", "wscore.subprotocols", "wscore.testing", "wscore.workers"),
]
# Their public names are those of other modules, or none.
NOT_PUBLIC = {"wscore.aio", "wscore.cli", "wscore.demo", "wscore.protocol"}
# Packages that only have modules.
NAMELESS = {"wscore.compat.websockets.asyncio", "wscore.compat.websockets.legacy"}
# What the stand-in for websockets has beside the modules of that library.
HELPERS = {"asyncio.keywords", "extensions.framing", "imports", "lazy", "sync", "trio"}
_STAND_IN = ROOT / "wscore" / "compat" / "websockets"
_MODULES = {
    ".".join(path.relative_to(_STAND_IN).with_suffix("").parts).removesuffix("__init__").strip(".")
    for path in _STAND_IN.rglob("*.py")
}
COMPAT = [f"wscore.compat.websockets.{name}".strip(".") for name in sorted(_MODULES - HELPERS)]


def entries() -> list[str]:
    """What the pages of the reference name for mkdocstrings."""
    pages = (page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    return [path for page in pages for path in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]


def found(path: str) -> Any:
    """The object that is called so."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def identity(path: str) -> object:
    """What several names of one object share. Equal constants may be one object by chance."""
    thing = found(path)
    is_constant = thing is None or isinstance(thing, (str, bytes, int, float))
    return (path.rpartition(".")[2], thing) if is_constant else id(thing)


def test_each_module_is_public_or_not() -> None:
    modules = {module.name for module in iter_modules(wscore.__path__) if module.name[0] != "_"}
    assert {f"wscore.{name}" for name in modules} == {*PUBLIC[1:], *NOT_PUBLIC}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old names of websockets
def test_entries_of_the_reference_exist_and_stand_once() -> None:
    assert sorted(entries()) == sorted(set(entries()))
    for path in entries():
        found(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old names of websockets
@pytest.mark.parametrize("module", [*PUBLIC, *COMPAT])
def test_every_public_name_is_in_the_reference(module: str) -> None:
    """Under this name, or another one of the same object."""
    explained = {identity(path) for path in entries()}
    names = getattr(import_module(module), "__all__", [])
    assert names or module in NAMELESS
    assert not [name for name in names if identity(f"{module}.{name}") not in explained]


# What follows the links of the built site ----------------------------------------------------

SOUND = {
    "index.html": '<h2 id="a">A</h2><a href="in/page.html#b">b</a><a href="#a">a</a>',
    "in/page.html": '<h2 id="b">B</h2><a href="../index.html#a">a</a><a href="https://e.org">e</a>',
    "all.css": "a { mask: url('data:image/svg+xml,x') } @import 'more.css';",
    "more.css": "a { mask: url(index.html) }",
}


def problems(folder: Path, pages: dict[str, str]) -> list[str]:
    folder = folder / "site"
    for name, text in pages.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Site(folder).problems()


def test_a_sound_site(tmp_path: Path) -> None:
    assert not problems(tmp_path, SOUND)


@pytest.mark.parametrize(
    ("page", "text", "problem"),
    [
        ("in/page.html", "<h2>B</h2>", "index.html: in/page.html#b: no such anchor"),
        ("in/page.html", '<h2 id="b"><a href="c.html">', "in/page.html: c.html: no such file"),
        ("in/page.html", '<h2 id="b"><img src="c.png">', "in/page.html: c.png: no such file"),
        ("orphan.html", "<p>", "orphan.html: no page leads to it"),
        (
            "in/page.html",
            '<h2 id="b"><link rel="stylesheet" href="https://fonts.example/a.css">',
            "in/page.html loads https://fonts.example/a.css",
        ),
        (
            "in/page.html",
            '<h2 id="b"><a href="../../x">',
            "in/page.html: ../../x: outside of the site",
        ),
        (
            "in/page.html",
            '<h2 id="b"><a href="page.html/">',
            "in/page.html: page.html/: no such folder",
        ),
        ("in/page.html", '<h2 id="b"><area href="c.html">', "in/page.html: c.html: no such file"),
        ("more.css", "a { mask: url(none.svg) }", "more.css: none.svg: no such file"),
        ("more.css", "@import url(https://e.org/a);", "more.css loads https://e.org/a"),
        ("more.css", "@import '//e.org/a';", "more.css loads //e.org/a"),
        *(
            ("in/page.html", f'<h2 id="b">{text}', "in/page.html loads //e.org/a")
            for text in (
                "<style>@import url(//e.org/a);</style>",
                "<p style='background: url(//e.org/a)'>",
                '<img srcset="//e.org/a 2x">',
                '<video poster="//e.org/a"></video>',
                '<object data="//e.org/a"></object>',
                '<embed src="//e.org/a">',
            )
        ),
    ],
)
def test_what_is_wrong_with_a_site_is_told(
    tmp_path: Path, page: str, text: str, problem: str
) -> None:
    assert problems(tmp_path, {**SOUND, page: text}) == [problem]
