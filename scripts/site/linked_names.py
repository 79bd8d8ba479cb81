"""On the pages of the reference: names in code become links to their entries.

Docstrings write `Hub.resume`, as `help` shows them, without saying where that is.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

# Not what is within a link already, or in a heading or signature.
CODE = re.compile(r'(?<!">)<code>([A-Za-z_][\w.]*)</code>')
REFERENCE = "reference/"
# The path of each entry, by its last name.
paths: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> None:
    paths.clear()
    for page in sorted(Path(config.docs_dir, REFERENCE).glob("*.md"), reverse=True):
        for path in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            name = path.rpartition(".")[2]
            # Of several, the one with the shortest path: `wscore.serve`, not that of the bridge.
            paths[name] = min(path, paths.get(name, path), key=lambda path: path.count("."))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    def linked(code: re.Match[str]) -> str:
        name = code[1].removeprefix("wscore.")
        first, dot, rest = name.partition(".")
        if first not in paths:
            return code[0]
        # mkdocs-autorefs makes links of these; without an entry for the member it leaves the code.
        return f'<autoref identifier="{paths[first]}{dot}{rest}" optional>{code[0]}</autoref>'

    return CODE.sub(linked, html) if page.file.src_uri.startswith(REFERENCE) else html
