"""The shape of the repository: tests mirror modules, files stay small, layers point downwards."""

from __future__ import annotations

import ast
import re
import sys
from itertools import chain
from pathlib import Path

import pytest
from support.mirrors import ABOUT_ALL, OTHER_TESTS, TESTED_AS, UNTESTED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "wscore"
TESTS = ROOT / "tests"

# Modules -------------------------------------------------------------------------------------


def name_of(path: Path, root: Path) -> str:
    """`aio.wire` of wscore/aio/wire.py, and of tests/aio/test_wire.py."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join([*parts[:-1], parts[-1].removeprefix("test_")])


def modules() -> dict[str, Path]:
    sources = chain.from_iterable(PACKAGE.rglob(f"*.{suffix}") for suffix in ("py", "pyx", "pxi"))
    return {name_of(path, PACKAGE): path for path in sorted(sources)}


def test_files() -> dict[str, Path]:
    found = {name_of(path, TESTS): path for path in sorted(TESTS.rglob("test_*.py"))}
    return {name: path for name, path in found.items() if name.split(".")[0] not in OTHER_TESTS}


test_files.__test__ = False  # type: ignore[attr-defined]


def test_each_module_has_its_tests() -> None:
    tests = test_files()
    missing = []
    for name in modules():
        last = name.rpartition(".")[2]
        if last in ("__init__", "__main__") or name in UNTESTED:
            continue
        if not all(expected in tests for expected in TESTED_AS.get(name, [name])):
            missing.append(name)
    assert not missing, "modules without a test file"


def test_each_test_file_has_its_module() -> None:
    known = set(modules()) | set(chain.from_iterable(TESTED_AS.values())) | ABOUT_ALL
    assert not [name for name in test_files() if name not in known]


def test_the_tables_name_what_exists() -> None:
    assert not (set(TESTED_AS) | UNTESTED) - set(modules())
    assert not ABOUT_ALL - set(test_files())


# What `make test-compat` runs, beside the tests of the modules that it is for.
TEST_COMPAT = (
    *("compat/environment.py", "compat/examples/", "compat/packages/", "compat/plugin/"),
    *("compat/programs.py", "compat/run.py", "compat/suites.py"),
)

# What tests share ----------------------------------------------------------------------------


def test_helpers_stand_in_support() -> None:
    """Beside tests that mirror modules there is nothing but conftest.py."""
    beside = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if path.relative_to(TESTS).parts[0] not in OTHER_TESTS
        if path.name != "conftest.py" and not path.name.startswith("test_")
        if not str(path.relative_to(TESTS)).startswith(TEST_COMPAT)
    ]
    assert not beside


def test_no_test_file_imports_from_another() -> None:
    """Nor from a conftest.py, whose fixtures come by their names."""
    files = {path.stem for path in TESTS.rglob("test_*.py")} | {"conftest"}
    imported = [
        f"{path.relative_to(TESTS)}: {name}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if files.intersection(name.split("."))
    ]
    assert not imported


# Budgets -------------------------------------------------------------------------------------

MODULE_LINES, PYX_LINES, KERNEL_LINES, FUNCTION_LINES = 450, 600, 200, 70
EXAMPLE_LINES = 100  # one is read in a minute
BUDGETS = {
    "wscore/**/*.py": MODULE_LINES,
    "tests/**/*.py": MODULE_LINES,
    "bench/**/*.py": MODULE_LINES,
    "examples/*.py": EXAMPLE_LINES,
    "scripts/**/*.py": MODULE_LINES,
    "*.py": MODULE_LINES,
    "wscore/*.pyx": PYX_LINES,
    "wscore/**/*.px[di]": PYX_LINES,
    "wscore/_kernels/*.[ch]": KERNEL_LINES,
}
LONGER = {
    "examples/bridged_brokers.py": 120,  # two of them
    "examples/wamp_router.py": 300,  # a whole protocol
}


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("pattern", BUDGETS)
def test_files_stay_within_their_budget(pattern: str) -> None:
    found = {str(path.relative_to(ROOT)): len(lines(path)) for path in ROOT.glob(pattern)}
    long = {name: n for name, n in found.items() if n > LONGER.get(name, BUDGETS[pattern])}
    assert not long


def python_functions(path: Path) -> list[tuple[str, int]]:
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def cython_functions(path: Path) -> list[tuple[str, int]]:
    """By indentation: a function ends before the next line that is no deeper than its head."""
    found = []
    source = lines(path)
    for start, line in enumerate(source):
        head = re.match(r"(\s*)(?:def|cpdef|cdef(?! class))\b[^=]*?(\w+)\(.*(:|[(,])\s*$", line)
        if head and "extern" not in line:
            end = last = start
            while end + 1 < len(source):
                end += 1
                text = source[end]
                deeper = len(text) - len(text.lstrip()) > len(head[1])
                if text.strip() and not deeper and not text.strip().startswith(")"):
                    break
                last = end if text.strip() else last
            found.append((head[2], last - start + 1))
    return found


def c_functions(path: Path) -> list[tuple[str, int]]:
    """By the house style: the body ends with a brace in the first column."""
    found = []
    start, name = 0, ""
    for number, line in enumerate(lines(path)):
        if head := re.match(r"[A-Za-z_][\w *]*?(?:\([^)]*\) )?\**(\w+)\(", line):
            start, name = number, head[1]
        if line == "}" and name:
            found.append((name, number - start + 1))
            name = ""
    return found


MEASURES = {".py": python_functions, ".pyx": cython_functions, ".pxi": cython_functions,
            ".c": c_functions, ".h": c_functions}  # fmt: skip


@pytest.mark.parametrize("folder", ["wscore", "tests", "bench", "scripts"])
def test_functions_stay_within_their_budget(folder: str) -> None:
    long = {
        f"{path.relative_to(ROOT)}:{name}": size
        for suffix, functions in MEASURES.items()
        for path in (ROOT / folder).rglob(f"*{suffix}")
        if path.name != "_speedups.c"  # generated
        for name, size in functions(path)
        if size > FUNCTION_LINES
    }
    assert not long


def test_the_measures_find_functions() -> None:
    """A budget that counts nothing holds nothing."""
    reader = dict(cython_functions(PACKAGE / "_backend" / "reader.pxi"))
    assert {"__init__", "read_frames", "open_frame", "end_frame", "limit"} <= set(reader)
    assert 5 < reader["open_frame"] < FUNCTION_LINES
    dispatch = dict(c_functions(PACKAGE / "_kernels" / "dispatch.c"))
    assert {"wscore_available", "wscore_select"} <= set(dispatch)
    assert dict(c_functions(PACKAGE / "_kernels" / "mask_loop.h"))["mask_loop"] > 20
    assert dict(python_functions(Path(__file__)))["python_functions"] == 6


# Layers --------------------------------------------------------------------------------------

# From the lowest to the highest, each with the modules of it: a name stands for all below it,
# the longest name that fits counts.
LAYERS = [
    ("words", ["errors", "codes", "frames", "_types", "_version", "workers.environment"]),
    ("kernels", ["_backend", "_speedups"]),
    ("protocol", ["protocol", "deflate", "extensions", "headers", "subprotocols"]),
    ("aio base", ["aio.wheel", "aio.reactor", "aio.loop", "aio.logs", "aio.stats", "aio.options"]),
    ("aio connection", ["aio.connection", "aio.metrics"]),
    ("aio roles", ["aio.server", "aio.client"]),
    ("aio", ["aio"]),
    ("scale", ["hub"]),
    (
        "edges",
        [
            "__main__",
            "acceleration",
            "asgi",
            "bridge",
            "cli",
            "compat",
            "demo",
            "testing",
            "workers",
        ],
    ),
]
NAMES_OF_LAYERS = [name for name, _ in LAYERS]
KERNELS, PROTOCOL, EDGES = (NAMES_OF_LAYERS.index(n) for n in ("kernels", "protocol", "edges"))
# No I/O, no clock and no logger up to the protocol.
IMPURE = {"asyncio", "socket", "ssl", "select", "selectors", "time", "logging", "threading",
          "subprocess"}  # fmt: skip


def layer_of(name: str) -> int:
    """The number of the layer that a module belongs to; each belongs to one."""
    fits = [
        (len(prefix), number)
        for number, (_, prefixes) in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(f"{prefix}.")
    ]
    assert fits, f"{name} is in no layer"
    return max(fits)[1]


class Imports(ast.NodeVisitor):
    """What a module imports at run time, anywhere in it: full names within wscore or outside."""

    def __init__(self, path: Path) -> None:
        self.found: set[str] = set()
        self.package = ("wscore", *path.relative_to(PACKAGE).parent.parts)
        self.visit(ast.parse(path.read_text(encoding="utf-8")))

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        package = list(self.package[: len(self.package) - node.level + 1]) if node.level else []
        source = ".".join([*package, *([node.module] if node.module else [])])
        self.found.add(source)
        self.found |= {f"{source}.{alias.name}" for alias in node.names}


def internal_imports(path: Path) -> set[str]:
    """Names of modules of wscore, without its own name in front."""
    return {
        name.removeprefix("wscore.")
        for name in Imports(path).found
        if name.startswith("wscore.") and _is_module(name.removeprefix("wscore."))
    }


def _is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or any(path.with_suffix(suffix).exists() for suffix in (".py", ".pyx"))


def python_modules() -> dict[str, Path]:
    """All but the package's own front, which is above every layer."""
    return {
        name: path
        for name, path in modules().items()
        if path.suffix == ".py" and name != "__init__"
    }


def test_no_layer_imports_a_higher_one() -> None:
    upwards = [
        f"{name} imports {imported}"
        for name, path in python_modules().items()
        for imported in internal_imports(path)
        if layer_of(imported) > layer_of(name)
    ]
    assert not upwards


def test_the_map_of_the_redis_hub_is_right() -> None:
    """Its docstring names every module; none imports, not even for types, one of a line below."""
    folder = PACKAGE / "hub" / "redis"
    described = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    lines = re.findall(r"^- (.*?):", described or "", re.MULTILINE)
    line_of = {name: n for n, line in enumerate(lines) for name in re.findall(r"``(\w+)``", line)}
    assert set(line_of) == {path.stem for path in folder.glob("*.py")} - {"__init__"}
    downwards = [
        f"{name} imports {imported}"
        for name, line in line_of.items()
        for imported in re.findall(
            r"^ *from \.(\w+) import",
            (folder / f"{name}.py").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        if line_of[imported] > line
    ]
    assert not downwards


def test_compiled_code_imports_words_and_rules_only() -> None:
    for path in [PACKAGE / "_speedups.pyx", *(PACKAGE / "_backend").glob("*.pxi")]:
        source = path.read_text(encoding="utf-8")
        assert set(re.findall(r"^from \.([\w.]+) import", source, re.MULTILINE)) <= {
            "_backend.rules", "_backend.share", "_backend.upgrade", "codes", "errors", "frames",
        }  # fmt: skip
        plain = set(re.findall(r"^import (\w+)", source, re.MULTILINE))
        assert plain <= {"os"}


def test_the_backend_is_the_only_door_to_the_kernels() -> None:
    """Layer 5 may reach behind it: it patches other libraries' compiled code."""
    around = [
        f"{name} imports {imported}"
        for name, path in python_modules().items()
        if KERNELS < layer_of(name) < EDGES
        for imported in internal_imports(path)
        if layer_of(imported) == KERNELS and imported != "_backend"
    ]
    assert not around


def test_no_io_and_no_clock_up_to_the_protocol() -> None:
    """But for the clock that bounds what is delivered in a turn of the loop."""
    impure = [
        f"{name} imports {imported}"
        for name, path in python_modules().items()
        if layer_of(name) <= PROTOCOL
        for imported in Imports(path).found
        if imported.split(".")[0] in IMPURE
        and (name, imported)
        not in {("_backend.share", "time"), ("_backend.share", "time.monotonic")}
    ]
    assert not impure


def test_words_import_the_standard_library_only() -> None:
    for name, path in python_modules().items():
        if layer_of(name) == 0 and name != "_types":
            outside = {imported.split(".")[0] for imported in Imports(path).found} - {"wscore"}
            assert outside <= sys.stdlib_module_names, name


def test_type_hints_are_imported_for_checking_only() -> None:
    """`_types` needs typing_extensions, which a user need not have."""
    assert not [name for name, path in python_modules().items()
                if "_types" in internal_imports(path)]  # fmt: skip
