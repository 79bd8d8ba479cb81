"""From ``module:name`` to what is served."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from wscore.aio.server.routes import Routes
from wscore.workers.app import App, AppError, check_target, load, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Write = "Callable[[str], str]"


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], str]]:
    """Writes a module into the current directory, which nobody has imported before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)

    def write(code: str, name: str = "application") -> str:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"import wscore, wscore.workers\nfrom contextlib import *\n{code}")
        return name

    yield write
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def serve(target: str, factory: bool = False) -> App:
    """What is served, as `wscore.serve` would take it."""

    async def main() -> App:
        async with opened(target, load(target), factory) as app:
            Routes(app.handler)
            return app

    return asyncio.run(main())


@pytest.mark.parametrize("target", ["app:handler", "a.b.c:d.e", "_a:_b"])
def test_targets(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("app", "MODULE:NAME"),
        ("app:", "MODULE:NAME"),
        (":app", "MODULE:NAME"),
        ("app:make()", "MODULE:NAME"),
        (".app:handler", "MODULE:NAME"),
        ("a b:c", "MODULE:NAME"),
        ("", "MODULE:NAME"),
        ("src/chat/app.py:handler", "src.chat.app:handler"),
        ("app.py", "app:NAME"),
    ],
)
def test_what_is_no_target(target: str, told: str) -> None:
    with pytest.raises(AppError, match=told.replace(".", r"\.")):
        check_target(target)
    with pytest.raises(AppError, match=told.replace(".", r"\.")):
        load(target)


HANDLERS = """
async def handler(ws, limit=3): ...
async def any_number(*connections): ...
class Chat(wscore.Listener): ...
class Callable:
    async def __call__(self, ws): ...
chat = Chat()
called = Callable()
mapping = {"/a": handler, "/b": Chat, "/c": chat}
app = wscore.workers.App(mapping, origins=["https://example.org"], max_size=7)
class namespace:
    inner = handler
"""
NAMES = ["handler", "any_number", "Chat", "chat", "called", "mapping"]


@pytest.mark.parametrize("name", [*NAMES, "namespace.inner"])
def test_what_is_served_as_it_is(name: str, written: Any) -> None:
    module = written(HANDLERS)
    assert serve(f"{module}:{name}").handler is load(f"{module}:{name}")


def test_an_app_brings_options(written: Any) -> None:
    app = serve(f"{written(HANDLERS)}:app")
    assert app.options == {"origins": ["https://example.org"], "max_size": 7}
    assert set(app.handler) == {"/a", "/b", "/c"}


@pytest.mark.parametrize(
    "made",
    [
        "def app(): return WHAT",
        "def app(size=3): return WHAT",
        "async def app(): return WHAT",
        "@asynccontextmanager\nasync def app():\n    yield WHAT",
        "async def app():\n    @asynccontextmanager\n    async def life():\n        yield WHAT\n"
        "    return life()",
    ],
)
@pytest.mark.parametrize("name", [*NAMES, "app"])
def test_factories(made: str, name: str, written: Any) -> None:
    written(HANDLERS, "handlers")
    written(f"import handlers\n{made.replace('WHAT', f'handlers.{name}')}", "factories")
    served, plain = serve("factories:app"), load(f"handlers:{name}")
    assert served is plain or served.handler is plain


def test_a_factory_that_does_not_look_like_one(written: Any) -> None:
    """With a parameter, a coroutine function is a handler, unless it is said to be a factory."""
    code = "async def handler(ws): ...\nasync def make(settings=None): return handler"
    module = written(code)
    assert serve(f"{module}:make").handler is load(f"{module}:make")
    assert serve(f"{module}:make", factory=True).handler is load(f"{module}:handler")


def test_the_life_of_a_factory_is_around_the_server(written: Any) -> None:
    module = written(
        "steps = []\nasync def handler(ws): ...\n@asynccontextmanager\nasync def app():\n"
        "    hub = wscore.Hub()\n    async with hub:\n        steps.append('open')\n"
        "        yield handler\n    steps.append('closed')"
    )
    steps = load(f"{module}:steps")

    async def main() -> None:
        async with opened("app", load(f"{module}:app"), False):
            assert steps == ["open"]
        assert steps == ["open", "closed"]

    asyncio.run(main())


def test_modules_in_packages(written: Any) -> None:
    written("async def handler(ws): ...", "package.inner")
    assert serve("package.inner:handler").handler.__module__ == "package.inner"


@pytest.mark.parametrize(
    ("code", "name", "told"),
    [
        ("", "nothing", "module 'application' has no 'nothing'"),
        ("import gone_for_good", "x", "No module named 'gone_for_good'"),
        ("def f(): 1/0\nf()", "x", "in f\n"),
        ("raise SystemExit(3)", "x", "SystemExit: 3"),
        ("x = 1 +", "x", "SyntaxError"),
        ("def app(): raise ValueError('settings')", "app", "ValueError: settings"),
        ("async def app(): raise ValueError('settings')", "app", "ValueError: settings"),
        ("def app(): return wscore.workers.App(None, prt=3)", "app", "unexpected keyword"),
        ("def app(): return wscore.workers.App(None, port=3)", "app", "for the command line"),
        ("def app(): return wscore.workers.App(None, sock=3)", "app", "for the command line"),
    ],
)
def test_what_is_wrong_is_told(code: str, name: str, told: str, written: Any) -> None:
    module = written(code)
    with pytest.raises(AppError) as caught:
        serve(f"{module}:{name}")
    assert told in str(caught.value)
    # Its author sees their own code first, neither ours nor Python's.
    first = re.search(r'File "([^"]+)"', str(caught.value))
    assert first is None or first[1].endswith("application.py")


@pytest.mark.parametrize("target", ["nowhere_at_all:x", "nowhere_at_all.inner:x", "os.nowhere:x"])
def test_a_module_that_is_not_there(target: str, written: Any) -> None:
    with pytest.raises(AppError, match=r"there is no module '.*nowhere"):
        load(target)


def test_what_the_handler_raises_later_is_no_error_of_the_application(written: Any) -> None:
    """Within the context, exceptions are those of whoever serves."""
    module = written(HANDLERS)

    async def main() -> None:
        async with opened("chat", load(f"{module}:chat"), False):
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(main())
