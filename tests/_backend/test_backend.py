"""The switch, and that both backends are one interface."""

from __future__ import annotations

import ast
import inspect
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.isolated import start

import wscore
from wscore import _backend
from wscore._backend import pure, rules

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = Path(wscore.__file__).parent
STUB = PACKAGE / "_speedups.pyi"
SHOW = "import wscore; print(wscore.BACKEND, wscore.KERNEL)"


# The switch ----------------------------------------------------------------------------------


def outcome(**environment: str) -> str:
    """What `import wscore` under *environment* chose, or the ImportError."""
    done = start(SHOW, **environment)
    if done.returncode == 0:
        return done.stdout.strip()
    return done.stderr.strip().splitlines()[-1]


def test_the_pure_backend_on_demand() -> None:
    assert outcome(WSCORE_BACKEND="python") == "python python"
    assert outcome(WSCORE_BACKEND="python", WSCORE_KERNEL="python") == "python python"


def test_the_compiled_backend_on_demand_and_by_default(compiled: ModuleType) -> None:
    best = compiled.kernels()[0]
    assert outcome() == f"compiled {best}"
    assert outcome(WSCORE_BACKEND="auto") == f"compiled {best}"
    assert outcome(WSCORE_BACKEND="compiled", WSCORE_KERNEL="") == f"compiled {best}"


def test_every_kernel_on_demand(compiled: ModuleType) -> None:
    for name in compiled.kernels():
        assert outcome(WSCORE_KERNEL=name) == f"compiled {name}"


@pytest.mark.parametrize("value", ["", "Compiled", "pure", "1"])
def test_an_unknown_backend_is_an_import_error(value: str) -> None:
    message = f"ImportError: WSCORE_BACKEND={value!r}: choose auto, compiled or python"
    assert outcome(WSCORE_BACKEND=value) == message


@pytest.mark.parametrize("name", ["avx1024", "AVX2", "python "])
def test_an_unknown_kernel_is_an_import_error(name: str) -> None:
    for backend in ("auto", "python"):
        error = outcome(WSCORE_BACKEND=backend, WSCORE_KERNEL=name)
        assert error.startswith(f"ImportError: WSCORE_KERNEL: kernel {name!r} is not available")


def test_a_compiled_kernel_is_none_of_the_pure_backends() -> None:
    error = outcome(WSCORE_BACKEND="python", WSCORE_KERNEL="scalar")
    assert error == (
        "ImportError: WSCORE_KERNEL: kernel 'scalar' is not available here, only python"
    )


# As if it had not been compiled.
WITHOUT_SPEEDUPS = f"""
class Finder:
    def find_spec(name, path, target=None):
        if name == "wscore._speedups":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Finder)
{SHOW}
"""


def test_compiled_but_missing() -> None:
    done = start(WITHOUT_SPEEDUPS, WSCORE_BACKEND="compiled")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error == (
        "ImportError: WSCORE_BACKEND=compiled, but there is no compiled backend: "
        "No module named 'wscore._speedups'"
    )
    assert start(WITHOUT_SPEEDUPS).stdout == "python python\n"


# An extension that an upgrade was to replace, and one that does not load.
OF_ANOTHER_VERSION = """
from types import ModuleType
stale = sys.modules["wscore._speedups"] = ModuleType("wscore._speedups")
"""
NOT_LOADED = """
class Finder:
    def find_spec(name, path, target=None):
        if name == "wscore._speedups":
            raise ImportError("undefined symbol: PyUnicode_Old")
sys.meta_path.insert(0, Finder)
"""
UNUSABLE = [
    (OF_ANOTHER_VERSION, "wscore._speedups is that of an older version, and the rest of wscore "),
    (OF_ANOTHER_VERSION + "stale.VERSION = '0.0.9'\n", "wscore._speedups is that of 0.0.9, and "),
    (NOT_LOADED, "undefined symbol: PyUnicode_Old"),
]


@pytest.mark.parametrize(("setup", "why"), UNUSABLE, ids=["older", "another version", "broken"])
def test_an_extension_that_cannot_be_used_is_told(setup: str, why: str) -> None:
    done = start(setup + SHOW)
    assert done.stdout == "python python\n"
    assert f"RuntimeWarning: the compiled backend cannot be used: {why}" in done.stderr
    assert "; wscore runs on its slower pure-Python backend\n" in done.stderr
    done = start(setup + "from wscore.cli import main; main(['info'])")
    assert f"\nnote          the compiled backend cannot be used: {why}" in done.stdout
    done = start(setup + SHOW, WSCORE_BACKEND="compiled")
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(
        f"ImportError: WSCORE_BACKEND=compiled, but there is no compiled backend: {why}"
    )
    done = start(setup + SHOW, WSCORE_BACKEND="python")
    assert (done.stdout, done.stderr) == ("python python\n", "")


def test_the_extension_is_that_of_these_sources(compiled: ModuleType) -> None:
    assert wscore.__version__ == compiled.VERSION


def test_the_choice_is_whole() -> None:
    """Everything that the package exports comes from one backend."""
    chosen = _backend._chosen
    assert chosen.current_kernel() == wscore.KERNEL
    assert chosen.CPU_FEATURES == _backend.CPU_FEATURES
    for name in _backend.__all__:
        if name not in ("BACKEND", "KERNEL"):
            assert getattr(_backend, name) is getattr(chosen, name), name


@pytest.mark.parametrize("backend", ["auto", "python"])
def test_importing_wscore_is_cheap(backend: str) -> None:
    heavy = ("asyncio", "ssl", "socket", "selectors", "logging", "http", "email", "zlib",
             "typing_extensions")  # fmt: skip
    script = (
        "before = set(sys.modules); import wscore;"
        f"print(sorted(set({heavy!r}) & (set(sys.modules) - before)))"
    )
    done = start(script, WSCORE_BACKEND=backend)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Kernels -------------------------------------------------------------------------------------


def test_kernels(backend: ModuleType) -> None:
    names = backend.kernels()
    assert type(names) is tuple
    assert len(set(names)) == len(names) > 0
    assert backend.current_kernel() in names
    assert type(backend.CPU_FEATURES) is tuple
    assert all(type(feature) is str for feature in backend.CPU_FEATURES)


def test_the_portable_kernel_is_always_there(compiled: ModuleType) -> None:
    assert compiled.kernels()[-1] == "scalar"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux's /proc")
def test_cpu_features_are_what_the_system_says(compiled: ModuleType) -> None:
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    system = {"sse4.1": "sse4_1", "avx512vbmi2": "avx512_vbmi2", "neon": "asimd"}
    for feature in ("sse2", "ssse3", "sse4.1", "avx2", "avx512f", "avx512bw", "avx512vl",
                    "avx512vbmi", "avx512vbmi2", "popcnt", "neon"):  # fmt: skip
        known = system.get(feature, feature) in flags
        assert (feature in compiled.CPU_FEATURES) is known, feature


@pytest.mark.parametrize("name", ["", "AVX2", "none", "scalar\0", "avx\xe9"])
def test_use_kernel_of_an_unknown_name(backend: ModuleType, name: str) -> None:
    before = backend.current_kernel()
    try:
        with pytest.raises(ValueError, match=r"is not available here, only \w+"):
            backend.use_kernel(name)
        assert backend.current_kernel() == before
    finally:
        backend.use_kernel(before)


@pytest.mark.parametrize("name", [None, 5, b"scalar"])
def test_use_kernel_of_no_name(backend: ModuleType, name: Any) -> None:
    with pytest.raises(TypeError):
        backend.use_kernel(name)


# One interface -------------------------------------------------------------------------------

Parameters = list[tuple[str, str, Any]]


def parameters(arguments: ast.arguments) -> Parameters:
    """Name, kind and default of each parameter but self."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found = [
        (arg.arg, "positional" if arg in arguments.posonlyargs else "any", _value(default))
        for arg, default in zip(positional, defaults, strict=True)
        if arg.arg != "self"
    ]
    found += [
        (arg.arg, "keyword", _value(default))
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return found


def _value(default: ast.expr | None) -> Any:
    if isinstance(default, ast.Name):
        return getattr(rules, default.id)
    return "required" if default is None else ast.literal_eval(default)


def in_stub() -> dict[str, Parameters]:
    """Parameters of every function and method by name, as the stub declares them."""
    found = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = parameters(node.args)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.decorator_list:
                    found[f"{node.name}.{method.name}"] = parameters(method.args)
    return found


def attributes_in_stub() -> list[tuple[str, str]]:
    """Class and name of every attribute and property."""
    return [
        (node.name, item.target.id if isinstance(item, ast.AnnAssign) else item.name)
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        or (isinstance(item, ast.FunctionDef) and item.decorator_list)
    ]


def in_python(called: Any) -> Parameters:
    kinds = {inspect.Parameter.POSITIONAL_ONLY: "positional", inspect.Parameter.KEYWORD_ONLY:
             "keyword", inspect.Parameter.POSITIONAL_OR_KEYWORD: "any"}  # fmt: skip
    return [
        (name, kinds[p.kind], "required" if p.default is p.empty else p.default)
        for name, p in inspect.signature(called).parameters.items()
        if name != "self"
    ]


def find(module: ModuleType, dotted: str) -> Any:
    found: Any = module
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("name", in_stub())
def test_signatures_of_the_pure_backend(name: str) -> None:
    """`test_docstrings` compares what the compiled one says with them."""
    assert in_python(find(pure, name)) == in_stub()[name]


def tls_records() -> dict[str, Any]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        incoming, outgoing, server_hostname="localhost"
    )
    memory = memoryview(bytearray(1))
    return {"owner": None, "ssl_object": made, "incoming": incoming, "outgoing": outgoing,
            "memory": memory}  # fmt: skip


def required(backend: ModuleType, kind: str) -> dict[str, Any]:
    """What the constructor of *kind* cannot do without."""
    reader, writer = backend.MessageReader(masked=True), backend.FrameWriter(masked=True)
    fanout = {"schedule": list, "report": list}
    channel = {"fanout": backend.Fanout(**fanout), "owner": None, "max_unsent": 1, "overflow": ""}
    return {
        "MessageReader": {"masked": True},
        "FrameWriter": {"masked": True},
        "MessageQueue": {"reader": reader, "writer": writer, "loop": None, "done": None,
                         "current_task": None},
        "Dispatcher": {"reader": reader, "writer": writer, "connection": None, "listener": None},
        "BaseConnection": {"writer": writer},
        "SharedMessage": {"opcode": 1, "payload": b""},
        "Membership": {"channel": backend.Channel(**channel), "writer": writer},
        "Channel": channel,
        "Fanout": fanout,
        "TLSRecords": tls_records(),
    }.get(kind, {})  # fmt: skip


@pytest.mark.parametrize(("kind", "attribute"), attributes_in_stub())
def test_attributes(backend: ModuleType, kind: str, attribute: str) -> None:
    assert hasattr(getattr(backend, kind)(**required(backend, kind)), attribute)


def test_constructors_take_what_the_stub_says(backend: ModuleType) -> None:
    """What the compiled one takes, whatever its signature says."""
    for name, declared in in_stub().items():
        if name.endswith(".__init__"):
            kind = getattr(backend, name.partition(".")[0])
            values = {arg: default for arg, _, default in declared if default != "required"}
            needed = required(backend, kind.__name__)
            assert [arg for arg, _, default in declared if default == "required"] == list(needed)
            kind(**needed, **values)
            for missing in needed:
                with pytest.raises(TypeError):
                    kind(**{arg: needed[arg] for arg in needed if arg != missing})
            if any(how == "keyword" for _, how, _ in declared):
                with pytest.raises(TypeError):
                    kind(True)


def test_the_same_names(backends: list[ModuleType]) -> None:
    """Public names of the stub, the twin's __all__, and each class's public members."""
    declared = {name.partition(".")[0] for name in in_stub()} | {"CPU_FEATURES"}
    assert set(pure.__all__) == declared
    members = {}
    for module in backends:
        assert declared <= set(dir(module))
        members[module.__name__] = {
            name: sorted(member for member in dir(getattr(module, name)) if member[0] != "_")
            for name in declared
            if isinstance(getattr(module, name), type)
        }
    assert len({str(sorted(found.items())) for found in members.values()}) == 1
