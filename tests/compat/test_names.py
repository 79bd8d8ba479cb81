"""Every name of websockets is there, at both places, and costs nothing before it is used."""

from __future__ import annotations

import importlib
import warnings

import pytest
from support import isolated

import wscore
from wscore.compat import websockets

# Those of 17.4; `make test-compat` compares with the release itself.
COUNT = 66


def test_there_are_all_of_them() -> None:
    assert len(websockets.__all__) == len(set(websockets.__all__)) == COUNT
    assert set(websockets.__all__) <= set(wscore.__all__)


@pytest.mark.parametrize("name", websockets.__all__)
def test_each_can_be_imported(name: str) -> None:
    assert getattr(wscore, name) is not None
    assert getattr(websockets, name) is not None
    assert name in dir(websockets)
    assert name in dir(wscore)


# What differs in its defaults or its arguments has an adapter.
ADAPTED = {"basic_auth", "connect", "route", "serve", "unix_connect", "unix_route", "unix_serve"}


@pytest.mark.parametrize("name", sorted(set(websockets.__all__) - ADAPTED))
def test_exceptions_and_types_are_the_same_in_both_places(name: str) -> None:
    mine, theirs = getattr(wscore, name), getattr(websockets, name)
    if isinstance(mine, type) and issubclass(mine, Exception):
        assert mine is theirs
        assert issubclass(mine, wscore.WebSocketError) or name == "MultipleValuesError"


def test_submodules_need_no_import() -> None:
    assert websockets.exceptions.ConnectionClosed is wscore.ConnectionClosed
    assert websockets.typing.Data == str | bytes


def test_old_names_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the whole of `legacy` is deprecated
        legacy = importlib.import_module("wscore.compat.websockets.legacy.exceptions")
    with pytest.warns(DeprecationWarning, match=r"websockets\.InvalidStatusCode is deprecated"):
        assert websockets.InvalidStatusCode is legacy.InvalidStatusCode
    with pytest.warns(DeprecationWarning, match=r"websockets\.exceptions\.AbortHandshake is"):
        assert websockets.exceptions.AbortHandshake is legacy.AbortHandshake


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [
        ("asyncio.client", "process_exception", "client"),
        ("asyncio.client", "Response", "http11"),
        ("asyncio.server", "Request", "http11"),
        ("asyncio.server", "ServerProtocol", "server"),
        ("asyncio.connection", "State", "protocol"),
        ("asyncio.connection", "Data", "typing"),
    ],
)
def test_names_are_also_where_websockets_uses_them(module: str, name: str, home: str) -> None:
    prefix = "wscore.compat.websockets"
    user, owner = (importlib.import_module(f"{prefix}.{found}") for found in (module, home))
    assert getattr(user, name) is getattr(owner, name)
    assert name in dir(user)
    assert name not in user.__all__


def test_kernels_cost_no_more_than_before() -> None:
    done = isolated.start(
        "import sys, wscore\n"
        "for name in ('asyncio', 'logging', 'http', 'wscore.aio', 'wscore.compat'):\n"
        "    assert name not in sys.modules, name\n"
    )
    assert done.returncode == 0, done.stderr
