"""Writes the docstrings of the pure backend as C, for the compiled one to take at its import.

They are written once, in `wscore/_backend/*.py`. With them goes the version of these sources, for
`_backend` to compare. Usage, from `setup.py`: ``write(package)``.
"""

from __future__ import annotations

import ast
from inspect import cleandoc
from itertools import chain
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "_speedups_docstrings.h"
_START = """\
/* Written by scripts/docstrings.py from the docstrings of the pure backend. */
#define WSCORE_VERSION %s
typedef struct {
    const char *owner; /* a class, or "" for a function of the module */
    const char *name;  /* a member, or "" for the class itself */
    const char *text;  /* as CPython keeps it: name(parameters), two dashes, docstring */
} wscore_docstring;

static const wscore_docstring wscore_docstrings[] = {
"""
_END = "    {0, 0, 0},\n};\n"


class Entry(NamedTuple):
    """The text of one object."""

    owner: str
    name: str
    text: str


def write(package: Path) -> None:
    """Write the header into *package*, unless it is there and the same."""
    rows = (f"    {{{_c(e.owner)}, {_c(e.name)},\n{_lines(e.text)}}},\n" for e in entries(package))
    version = run_path(str(package / "_version.py"))["__version__"]
    text = "".join(chain([_START % _c(version)], rows, [_END]))
    header = package / HEADER
    if not header.exists() or header.read_text("utf-8") != text:
        header.write_text(text, "utf-8")


def entries(package: Path) -> Iterator[Entry]:
    """What `_backend/pure.py` gathers from the modules beside it."""
    for gathered in _parse(package / "_backend" / "pure.py"):
        if isinstance(gathered, ast.ImportFrom):
            names = {alias.name for alias in gathered.names}
            for node in _parse(package / "_backend" / f"{gathered.module}.py"):
                if isinstance(node, ast.FunctionDef) and node.name in names:
                    yield from _function(node, "")
                elif isinstance(node, ast.ClassDef) and node.name in names:
                    yield from _class(node)


def _parse(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text("utf-8")).body


def _class(node: ast.ClassDef) -> Iterator[Entry]:
    arguments = ast.arguments([], [], None, [], [], None, [])
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            if item.name == "__init__":
                arguments = item.args
            yield from _function(item, node.name)
        elif isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "__slots__":
            yield from _slots(item.value, node.name)
    yield Entry(node.name, "", _signature(node.name, arguments, "") + _docstring(node))


def _function(node: ast.FunctionDef, owner: str) -> Iterator[Entry]:
    docstring = _docstring(node)
    if not docstring or node.name.startswith("_"):
        return
    if not node.decorator_list:
        docstring = _signature(node.name, node.args, "$self" if owner else "") + docstring
    yield Entry(owner, node.name, docstring)


def _slots(slots: ast.expr, owner: str) -> Iterator[Entry]:
    if isinstance(slots, ast.Dict):
        for key, value in zip(slots.keys, slots.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and value.value:
                yield Entry(owner, key.value, cleandoc(value.value))


def _docstring(node: ast.FunctionDef | ast.ClassDef) -> str:
    return ast.get_docstring(node) or ""


def _signature(name: str, arguments: ast.arguments, first: str) -> str:
    """The line that `inspect.signature` understands; *first* stands for ``self``."""
    for argument in chain(arguments.posonlyargs, arguments.args, arguments.kwonlyargs):
        argument.annotation = None
    positional = arguments.posonlyargs or arguments.args
    if positional and positional[0].arg == "self":
        positional[0].arg = first
    parameters = ast.unparse(arguments).removeprefix(", ")
    return f"{name}({parameters})\n--\n\n"


def _lines(text: str) -> str:
    """*text* as string literals, one a line."""
    return "\n".join(f"     {_c(line)}" for line in text.splitlines(keepends=True))


def _c(text: str) -> str:
    """*text* as a string literal in ASCII."""
    return f'"{"".join(map(_escaped, text.encode()))}"'


def _escaped(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and byte not in b'"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"
