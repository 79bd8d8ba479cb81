"""`install` and `uninstall`: whose modules an import gives, and what is left behind."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pickle
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support import isolated

import wscore
import wscore.compat.websockets
from wscore import compat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def standing_in() -> Iterator[None]:
    compat.install("websockets")
    yield
    compat.uninstall()


def _modules() -> dict[str, object]:
    return {name: sys.modules[name] for name in sys.modules if name.split(".")[0] == "websockets"}


# Import ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
@pytest.mark.usefixtures("standing_in")
def test_every_module_is_the_very_one_of_compat() -> None:
    for name in ("", ".exceptions", ".asyncio.client", ".legacy.exceptions", ".typing"):
        module = importlib.import_module(f"websockets{name}")
        assert module is importlib.import_module(f"wscore.compat.websockets{name}")
        assert sys.modules[f"websockets{name}"] is module


@pytest.mark.usefixtures("standing_in")
def test_what_the_engine_raises_is_caught_under_the_other_name() -> None:
    exceptions = importlib.import_module("websockets").exceptions
    assert exceptions.ConnectionClosed is wscore.ConnectionClosed
    assert exceptions.WebSocketException is wscore.WebSocketError


@pytest.mark.usefixtures("standing_in")
def test_modules_keep_their_own_name_and_can_be_reloaded() -> None:
    module = importlib.import_module("websockets.version")
    assert module.__name__ == "wscore.compat.websockets.version"
    assert module.__spec__ is not None
    assert module.__spec__.name == "wscore.compat.websockets.version"
    assert importlib.reload(module) is module
    assert importlib.util.find_spec("websockets.frozen_lake") is None


@pytest.mark.usefixtures("standing_in")
def test_pickles_need_no_stand_in_to_be_read() -> None:
    error = importlib.import_module("websockets.exceptions").InvalidMethod("PUT")
    data = pickle.dumps(error)
    compat.uninstall()
    assert pickle.loads(data).method == "PUT"


@pytest.mark.usefixtures("standing_in")
def test_unknown_modules_and_names_are_not_found() -> None:
    with pytest.raises(
        ModuleNotFoundError, match=r"No module named 'websockets\.frozen_lake'"
    ) as e:
        importlib.import_module("websockets.frozen_lake")
    assert e.value.name == "websockets.frozen_lake"
    with pytest.raises(AttributeError, match="no attribute 'frozen_lake'"):
        _ = importlib.import_module("websockets").frozen_lake


@pytest.mark.usefixtures("standing_in")
def test_what_is_left_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"^websockets\.trio: .* not on trio"):
        importlib.import_module("websockets.trio.client")
    package = importlib.import_module("websockets")
    for name in ("sync", "trio"):
        monkeypatch.delattr(package, name, raising=False)  # it is there once it was imported
        assert not hasattr(package, name)


@pytest.mark.usefixtures("standing_in")
@pytest.mark.parametrize(("side", "name"), [("client", "connect"), ("server", "serve")])
def test_threads_have_the_names_of_connections_only(side: str, name: str) -> None:
    """Packages that offer both ways import them for annotations."""
    found: dict[str, object] = {}
    exec(f"from websockets.sync.{side} import {side.title()}Connection as kind", found)
    assert not isinstance(object(), found["kind"])  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=rf"^websockets\.sync\.{side}\.{name}: .* no blocking"):
        exec(f"from websockets.sync.{side} import {name}")


@pytest.mark.usefixtures("standing_in")
def test_the_installed_version_is_that_of_the_names() -> None:
    assert importlib.metadata.version("websockets") == wscore.compat.websockets.__version__
    assert importlib.metadata.version("WebSockets") == wscore.compat.websockets.__version__
    assert "websockets" in {found.name for found in importlib.metadata.distributions()}
    assert importlib.metadata.version("pytest") == pytest.__version__


# Undoing -----------------------------------------------------------------------------------------


def test_uninstall_leaves_nothing() -> None:
    before, finders = _modules(), list(sys.meta_path)
    compat.install("websockets")
    importlib.import_module("websockets.exceptions")
    assert compat.installed() == ("websockets",)
    compat.uninstall("websockets")
    assert compat.installed() == ()
    assert _modules() == before
    assert sys.meta_path == finders


def test_the_librarys_own_modules_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: type(sys)(name) for name in ("websockets", "websockets.frames")}
    for name, module in own.items():
        monkeypatch.setitem(sys.modules, name, module)
    before = _modules()
    compat.install("websockets")
    assert importlib.import_module("websockets") is wscore.compat.websockets
    assert "websockets.frames" not in _modules()
    compat.uninstall()
    assert _modules() == before


def test_an_import_that_another_thread_has_begun_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its module would be missing where the import system looks for it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in _modules():
        monkeypatch.delitem(sys.modules, name)
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "slow_import", lambda: (begun.set(), go_on.wait(20)), raising=False)
    (tmp_path / "websockets").mkdir()
    (tmp_path / "websockets" / "__init__.py").touch()
    (tmp_path / "websockets" / "slow.py").write_text("import sys\nsys.slow_import()\n")
    imported: list[object] = []
    importing = threading.Thread(
        target=lambda: imported.append(importlib.import_module("websockets.slow"))
    )
    importing.start()
    assert begun.wait(20)
    installing = threading.Thread(target=compat.install, args=("websockets",))
    installing.start()
    installing.join(0.2)  # it waits
    go_on.set()
    for thread in (importing, installing):
        thread.join(20)
    assert compat.installed() == ("websockets",)
    compat.uninstall()
    assert imported == [sys.modules["websockets.slow"]]
    for name in _modules():
        del sys.modules[name]  # those of the test, which monkeypatch would bring back


def test_both_may_be_called_twice() -> None:
    compat.uninstall()
    compat.install("websockets")
    compat.install("websockets", "websockets")
    assert len([f for f in sys.meta_path if type(f).__name__ == "_StandIn"]) == 1
    compat.uninstall()
    compat.uninstall()
    assert compat.installed() == ()


def test_several_threads_install_once() -> None:
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for _ in range(20):
            compat.install("websockets")
            compat.uninstall()

    before, finders = _modules(), list(sys.meta_path)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (_modules(), sys.meta_path) == (before, finders)


@pytest.mark.parametrize("names", [("websocket",), ("websockets", "aiohttp")])
@pytest.mark.parametrize("call", [compat.install, compat.uninstall])
def test_unknown_libraries_are_refused(call: type, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"unknown: (websocket|aiohttp); known are websockets"):
        call(*names)
    assert compat.installed() == ()


def test_a_library_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="no library named; known are websockets"):
        compat.install()


def test_importing_changes_nothing() -> None:
    done = isolated.start(
        "import sys, wscore\n"
        "before = list(sys.meta_path)\n"
        "import wscore.compat, wscore.compat.websockets\n"
        "assert sys.meta_path == before and 'websockets' not in sys.modules\n"
        "assert 'asyncio' not in sys.modules, 'slow to import'\n"
    )
    assert done.returncode == 0, done.stderr


# Beside acceleration -----------------------------------------------------------------------------


def test_it_is_not_accelerated_as_well() -> None:
    compat.install("websockets")
    try:
        outcome = wscore.accelerate("websockets")["websockets"]
    finally:
        compat.uninstall()
    assert not outcome.lifted
    assert "stands in" in outcome.detail or wscore.BACKEND == "python"
