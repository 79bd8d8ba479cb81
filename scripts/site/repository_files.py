"""Pages of what stands outside docs/: Markdown as it is, other files as listings, folders as lists.

Results of benchmarks are copied, for programs to read.

Links in the documents lead to files of the repository, wherever these are. On the site they lead to
the pages of these files. MkDocs calls the functions whose names begin with ``on_``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(?=(?:#[^)]*)?\))")
# Of files whose suffix says it, others by name.
LANGUAGES = {".py": "python", ".yaml": "yaml", ".conf": "nginx", ".service": "ini",
             ".socket": "ini", "Dockerfile": "docker"}  # fmt: skip
RAW = ".json"
# Who searches wants to read about a name, not every line of code that has it.
UNSEARCHED = "---\nsearch: {exclude: true}\n---\n"
# Which file of the repository a page of the site is.
origins: dict[str, str] = {}


def page_of(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/") and (ROOT / path).is_file():
        return path.removeprefix("docs/")
    return path if path.endswith((".md", RAW)) else f"source/{path}.md"


def targets(text: str, path: str) -> Iterator[str]:
    """The files of the repository that a document at `path` links to."""
    for link in LINK.findall(text):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if (ROOT / target).exists():
            yield target


def content(path: str) -> str:
    file = ROOT / path
    if file.is_dir():
        names = sorted(inner.name for inner in file.iterdir() if inner.name[0] not in "_.")
        lines = [f"- [{name}]({file.name}/{name})" for name in names]
        return f"{UNSEARCHED}# {path}\n\n" + "\n".join(lines) + "\n"
    text = file.read_text(encoding="utf-8")
    if file.suffix in (".md", RAW):
        return text
    language = LANGUAGES.get(file.suffix or file.name, "text")
    return f"{UNSEARCHED}# {path}\n\n~~~~~~~~ {language}\n{text}~~~~~~~~\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file that a page links to, and for those that these link to."""
    origins.clear()
    pages = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    origins.update({file.src_uri: f"docs/{file.src_uri}" for file in files})
    waiting = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
    for path, text in pages.items():
        waiting += targets(text, path)
    while waiting:
        path = waiting.pop()
        uri = page_of(path)
        if uri in origins or path == "README.md":
            continue
        origins[uri] = path
        text = content(path)
        if path.endswith(RAW):
            files.append(File.generated(config, uri, content=text))
            continue
        waiting += targets(text, path)
        inclusion = InclusionLevel.UNDEFINED if path.endswith(".md") else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, content=text, inclusion=inclusion))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links between files of the repository those between pages of the site."""
    path = origins[page.file.src_uri]
    here = posixpath.dirname(page.file.src_uri)

    def rewritten(link: re.Match[str]) -> str:
        target = next(targets(f"]({link[0]})", path), None)
        return posixpath.relpath(page_of(target), here) if target else link[0]

    return LINK.sub(rewritten, markdown)
