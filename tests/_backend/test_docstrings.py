"""Both backends say the same about themselves, and all of it: docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.isolated import start

import wscore
from wscore._backend import pure, rules

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGE = Path(wscore.__file__).parent
# Without a docstring of their own.
CONSTANTS = {"CPU_FEATURES"}


def names() -> list[str]:
    """Every public function and class of the backend, and each member of a class."""
    found = []
    for name in sorted(set(pure.__all__) - CONSTANTS):
        member = getattr(pure, name)
        found.append(name)
        if isinstance(member, type):
            found += [f"{name}.{inner}" for inner in sorted(dir(member)) if inner[0] != "_"]
    return found


def find(module: ModuleType, dotted: str) -> Any:
    found: Any = module
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


def parameters(called: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each, but not of the ``self`` of a function of a class."""
    found = inspect.signature(called).parameters.values()
    return [(p.name, p.kind, p.default) for p in found if p.name != "self"]


@pytest.mark.parametrize("name", names())
def test_everything_public_has_a_docstring(name: str) -> None:
    """`Raises` and types are for readers; here is only held that there is one."""
    text = inspect.getdoc(find(pure, name)) or ""
    assert len(text) > 10
    assert text.splitlines()[0][-1] in ".;:,", "a sentence"


@pytest.mark.parametrize("name", names())
def test_the_compiled_backend_says_the_same(compiled: ModuleType, name: str) -> None:
    assert inspect.getdoc(find(compiled, name)) == inspect.getdoc(find(pure, name))


@pytest.mark.parametrize("name", [name for name in names() if callable(find(pure, name))])
def test_the_signatures_agree(compiled: ModuleType, name: str) -> None:
    assert parameters(find(compiled, name)) == parameters(find(pure, name))


_DEFINED = re.compile(
    r"^cdef class (?P<owner>\w+)|^(?P<indent> *)(?:def|cpdef(?: \w+)?) "
    r"(?P<name>[a-z]\w*|__c?init__)\((?P<parameters>.*?)\)(?: except -1)?:$",
    re.MULTILINE | re.DOTALL,
)


def in_sources() -> dict[str, list[tuple[str, Any, Any]]]:
    """Parameters of what Cython compiles; those of a constructor under the name of its class."""
    found, owner = {}, ""
    for path in [PACKAGE / "_speedups.pyx", *sorted((PACKAGE / "_backend").glob("*.pxi"))]:
        for match in _DEFINED.finditer(path.read_text()):
            owner = match["owner"] or owner
            if match["name"] is not None:
                words = [owner] if match["indent"] else []
                words += [match["name"]] if not match["name"].endswith("init__") else []
                without_types = match["parameters"].replace(" not None", "")
                without_types = re.sub(r"\b\w+ (?=\w)", "", without_types)
                scope: dict[str, Any] = dict(vars(rules))
                exec(f"def f({without_types}): pass", scope)
                found[".".join(words)] = parameters(scope["f"])
    return found


@pytest.mark.skipif(not (PACKAGE / "_speedups.pyx").exists(), reason="the sources are not here")
def test_the_signatures_are_those_that_are_compiled() -> None:
    """CPython shows what it was told; this is what it was not asked about."""
    compiled = in_sources()
    shown = {name: parameters(find(pure, name)) for name in names() if callable(find(pure, name))}
    assert {name: compiled.get(name, []) for name in shown} == shown


def test_bound_methods_and_instances_say_it_as_well(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=True)
    assert list(inspect.signature(writer.message).parameters) == ["message", "text", "compress"]
    assert inspect.getdoc(writer.message) == inspect.getdoc(pure.FrameWriter.message)
    assert inspect.cleandoc(writer.__doc__) == inspect.getdoc(pure.FrameWriter)


def test_a_subclass_inherits_what_is_said(backend: ModuleType) -> None:
    class Connection(backend.BaseConnection):  # type: ignore[misc,name-defined]
        __slots__ = ()

    connection = Connection(backend.FrameWriter(masked=True))
    assert inspect.getdoc(connection.write) == inspect.getdoc(pure.BaseConnection.write)
    assert list(inspect.signature(connection.write).parameters) == ["message", "text", "compress"]
    assert list(inspect.signature(Connection).parameters) == ["writer"]


def test_the_compiled_backend_does_not_import_its_twin(compiled: ModuleType) -> None:
    script = "import sys, wscore; print([name for name in sys.modules if 'pure' in name])"
    assert start(script, WSCORE_BACKEND="compiled").stdout == "[]\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """What writes the C header of a package whose backend has the source given, and returns it."""
    if not (ROOT / "scripts" / "docstrings.py").exists():
        pytest.skip("the sources are not here")
    from runpy import run_path

    script = run_path(str(ROOT / "scripts" / "docstrings.py"))

    def write(source: str, names: str = "f") -> str:
        backend = tmp_path / "_backend"
        backend.mkdir(exist_ok=True)
        (tmp_path / "_version.py").write_text('__version__ = "1.2.3"\n')
        (backend / "pure.py").write_text(f"from .module import {names}\n")
        (backend / "module.py").write_text(source, "utf-8")
        script["write"](tmp_path)
        return (tmp_path / script["HEADER"]).read_text()

    return write


def test_the_header_is_ascii_and_each_text_is_quoted(write: Any) -> None:
    text = write('def f(a, /, *, b="?"):\n    r"""Say \\"hi\\": \\\\d \xe4 ?"""\n')
    assert text.isascii()
    assert '#define WSCORE_VERSION "1.2.3"\n' in text
    assert "\"f(a, /, *, b='\\077')\\012\"" in text
    assert '"Say \\134\\042hi\\134\\042: \\134\\134d \\303\\244 \\077"' in text


def test_only_what_is_public_is_in_the_header(write: Any) -> None:
    source = (
        'def f():\n    """Public."""\ndef g():\n    """Of the module."""\n'
        'class C:\n    """A class."""\n    __slots__ = {"a": "An attribute.", "_b": None}\n'
        '    def __init__(self, x: int = 3): ...\n    def m(self):\n        """A method."""\n'
        '    def _p(self):\n        """Private."""\n'
        '    @property\n    def v(self):\n        """A value."""\n'
    )
    text = write(source, "f, C")
    for shown in ("Public.", "A class.", "C(x=3)", "An attribute.", "m($self)", "A method."):
        assert shown in text
    assert '{"C", "v",\n     "A value."}' in text
    for hidden in ("Of the module", "Private", "_b"):
        assert hidden not in text


def test_a_header_that_is_right_is_left_alone(write: Any, tmp_path: Path) -> None:
    """Else the extension would be compiled again with each install."""
    write('def f():\n    """A."""\n')
    (header,) = tmp_path.glob("*.h")
    before = header.stat().st_mtime_ns
    write('def f():\n    """A."""\n')
    assert header.stat().st_mtime_ns == before
    assert "B." in write('def f():\n    """B."""\n')
