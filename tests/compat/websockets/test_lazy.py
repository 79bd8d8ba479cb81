"""Names that are imported when they are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from wscore.compat.websockets import typing
from wscore.compat.websockets.lazy import lazy_names


def _module() -> tuple[dict[str, Any], Any, Any]:
    namespace: dict[str, Any] = {"__name__": "wscore.compat.websockets", "own": 1}
    find, names = lazy_names(
        namespace, {"Data": ".typing"}, deprecated={"Origin": ".typing"}, modules=("typing",)
    )
    return namespace, find, names


def test_a_name_is_found_once() -> None:
    namespace, find, _ = _module()
    assert find("Data") is typing.Data
    assert namespace["Data"] is typing.Data


def test_an_old_name_warns_each_time() -> None:
    namespace, find, _ = _module()
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match=r"^websockets\.Origin is deprecated$"):
            assert find("Origin") is typing.Origin
    assert "Origin" not in namespace


def test_submodules_and_nothing_else() -> None:
    _, find, _ = _module()
    assert find("typing") is typing
    for name in ("json", "own_not", "__wrapped__"):
        with pytest.raises(AttributeError, match=name):
            find(name)


def test_all_are_listed() -> None:
    _, _, names = _module()
    assert names() == ["Data", "Origin", "__name__", "own", "typing"]
