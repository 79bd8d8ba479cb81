"""Both backends, and every kernel that this machine can run, each in turn.

The compiled backend is left out where it was not asked for: ``WSCORE_BACKEND=python``,
``WSCORE_BUILD=skip``, or no extension file at all. ``WSCORE_REQUIRE_COMPILED=1`` (CI) overrules
that, and an extension that is there but does not load always fails.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.certificates import certificate, client_tls, server_tls
from support.feeding import WAYS
from support.loops import run, run_asyncio
from support.time_limit import (
    pytest_configure,
    pytest_timeout_cancel_timer,
    pytest_timeout_set_timer,
)

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

__all__ = [
    "certificate",
    "client_tls",
    "pytest_configure",
    "pytest_timeout_cancel_timer",
    "pytest_timeout_set_timer",
    "run",
    "run_asyncio",
    "server_tls",
]

# What Hypothesis notes for itself stands with pytest's own notes.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", ".pytest_cache/hypothesis")
# Test machines are shared and loaded: a slow example is not a failure.
settings.register_profile("wscore", deadline=None, database=None, max_examples=100)
settings.load_profile("wscore")

# Processes inherit what is ignored here: by nohup, or in the background of a shell.
for ignored, handler in (
    ("SIGHUP", signal.SIG_DFL),
    ("SIGINT", signal.default_int_handler),
):
    if (number := getattr(signal, ignored, None)) and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def _compiled_is_expected() -> bool:
    if os.environ.get("WSCORE_REQUIRE_COMPILED", "") not in ("", "0"):
        return True
    if os.environ.get("WSCORE_BACKEND") == "python" or os.environ.get("WSCORE_BUILD") == "skip":
        return False
    package = Path(wscore.__file__).parent
    return any((package / f"_speedups{suffix}").exists() for suffix in EXTENSION_SUFFIXES)


# Tests that do not look at WSCORE_BACKEND: they ask for each backend by name, or for none. After
# they have run on all backends, `make test` need not run them again on the twin. Workers are
# processes, which begin and end the same on either.
_ANY_BACKEND = (
    *("_backend", "conformance", "support", "workers"),
    *("test_deployment.py", "test_docs.py", "test_guides.py", "test_layout.py"),
    "test_tutorials.py",
)
# These look at what the switch has chosen.
_CHOSEN_BACKEND = ("test_backend.py", "test_upgrade.py")


_NO_CPYTHON = pytest.mark.skip(reason="about what only CPython does: see the marker")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if sys.implementation.name != "cpython" and item.get_closest_marker("cpython"):
            item.add_marker(_NO_CPYTHON)
        path = item.path.relative_to(Path(__file__).parent)
        if path.parts[0] in _ANY_BACKEND and path.name not in _CHOSEN_BACKEND:
            item.add_marker("any_backend")


_NAMES = ["_speedups", "_backend.pure"] if _compiled_is_expected() else ["_backend.pure"]
_BACKENDS = [import_module(f"wscore.{name}") for name in _NAMES]
_KERNELS = [(module, name) for module in _BACKENDS for name in module.kernels()]


def _short_name(module: ModuleType) -> str:
    return "python" if module.__name__.endswith(".pure") else "compiled"


@pytest.fixture(scope="session", params=_BACKENDS, ids=_short_name)
def backend(request: pytest.FixtureRequest) -> ModuleType:
    """Each backend, with the kernel it chose itself."""
    return request.param


@pytest.fixture(scope="session")
def backends() -> list[ModuleType]:
    """All backends at once, to be compared."""
    return _BACKENDS


@pytest.fixture(scope="session")
def compiled() -> ModuleType:
    """The compiled backend, for what only it promises."""
    if len(_BACKENDS) == 1:
        pytest.skip("the compiled backend is not built or not wanted")
    return _BACKENDS[0]


@pytest.fixture(scope="session")
def needs_reactor(compiled: ModuleType) -> None:
    """Skip what tests our own transport where the system has nothing that it could use."""
    if not compiled.HAS_REACTOR:
        pytest.skip("this system has neither epoll nor kqueue")


@pytest.fixture(params=_KERNELS, ids=[name for _, name in _KERNELS])
def kernel(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Each backend with each of its kernels forced."""
    module, name = request.param
    before = module.current_kernel()
    module.use_kernel(name)
    assert module.current_kernel() == name
    yield module
    module.use_kernel(before)


@pytest.fixture(params=WAYS, ids=["feed", "get_buffer"])
def deliver(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Both ways in which bytes reach a MessageReader."""
    return request.param
