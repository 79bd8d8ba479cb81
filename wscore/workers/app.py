"""APP of the command line: from ``module:name`` to what is served."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from typing_extensions import Unpack

    from ..aio.server.options import UnixServeKeywords
    from ..aio.server.routes import Handler

__all__ = ["App", "AppError", "check_target", "load", "opened"]

# Whoever runs the application says where it listens, and when.
_NOT_FOR_APPS = ("host", "port", "path", "sock", "ssl", "start_serving")
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


class AppError(Exception):
    """The application cannot be served. The text says why."""


class App:
    """What ``wscore serve`` serves, with options: ``App(handler, origins=[...])``.

    *handler* is what `wscore.serve` takes: a coroutine function, a Listener, or a mapping of paths
    to those. The options are its keywords, but for those that say where it listens. Options on the
    command line override them.

    Raises TypeError for other keywords. Anything wrong with the handler, or with a value, is
    reported when it is served.
    """

    __slots__ = ("handler", "options")

    def __init__(
        self, handler: Handler | Mapping[str, Handler], **options: Unpack[UnixServeKeywords]
    ) -> None:
        from ..aio.options import check_keywords
        from ..aio.server.serve import serve

        check_keywords(serve, options)
        for name in _NOT_FOR_APPS:
            if name in options:
                raise TypeError(f"{name} is for the command line, not for an App")
        self.handler = handler
        self.options: dict[str, Any] = dict(options)


def check_target(target: str) -> None:
    """Demand ``module:name``, both of which may have dots. Raises AppError."""
    module, _, name = target.partition(":")
    if module.endswith(".py") or "/" in module:
        plain = module.removesuffix(".py").strip("./").replace("/", ".")
        raise AppError(f"name the module, not its file: {plain}:{name or 'NAME'}, not {target!r}")
    if not all(part.isidentifier() for word in (module, name) for part in word.split(".")):
        raise AppError(f"must be MODULE:NAME, not {target!r}")


def load(target: str) -> Any:
    """Import what *target* names: ``module:name``. The current directory is searched first.

    Raises AppError.
    """
    check_target(target)
    try:
        directory = os.getcwd()
    except OSError as error:
        raise AppError(f"the current directory is gone: {error}") from error
    module_name, _, name = target.partition(":")
    if directory not in sys.path:
        sys.path.insert(0, directory)
    found: Any = _import(module_name)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise AppError(f"module {module_name!r} has no {name!r}") from None
    return found


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            message = f"there is no module {missing!r}, neither in {os.getcwd()} nor installed"
            raise AppError(message) from None
        raise _broken(f"cannot import {name!r}", error) from error
    except (Exception, SystemExit) as error:
        raise _broken(f"cannot import {name!r}", error) from error


@asynccontextmanager
async def opened(target: str, found: Any, factory: bool) -> AsyncIterator[App]:
    """Within the context, the `App` is alive that *found* is or makes, loaded as *target*.

    A factory is called, awaited and entered as far as its result can be; *factory* says that it
    is one where that cannot be seen. Raises AppError, and what leaving the context raises.
    """
    async with AsyncExitStack() as stack:
        if factory or _is_factory(found):
            try:
                found = found()
                if inspect.isawaitable(found):
                    found = await found
                if hasattr(type(found), "__aenter__"):
                    found = await stack.enter_async_context(found)
            except (Exception, SystemExit) as error:
                raise _broken(f"the factory {target} failed", error) from error
        yield found if isinstance(found, App) else App(found)


def _is_factory(found: Any) -> bool:
    """Whether *found* is to be called for what to serve: it can be, without arguments.

    A coroutine function that can take a connection is a handler.
    """
    from ..aio.connection.listener import is_listener

    if isinstance(found, (App, Mapping)) or is_listener(found) or not callable(found):
        return False
    takes = _signature(found)
    if takes is None or not _fits(takes):
        return False
    called = found if inspect.isroutine(found) or isinstance(found, type) else found.__call__
    return not (inspect.iscoroutinefunction(called) and _fits(takes, object()))


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None  # of a builtin


def _fits(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _broken(what: str, error: BaseException) -> AppError:
    """An error with the traceback of the application's own code, which its author has to see."""
    own = _own_part(error.__traceback__)
    lines = traceback.format_exception(type(error), error, own)
    return AppError(f"{what}:\n{''.join(lines).rstrip()}")


def _own_part(entry: TracebackType | None) -> TracebackType | None:
    """From the first frame on that is neither ours nor the import system's."""
    while entry is not None:
        name = entry.tb_frame.f_code.co_filename
        if not name.startswith((_PACKAGE, "<frozen importlib")) and "importlib" not in name:
            return entry
        entry = entry.tb_next
    return None
