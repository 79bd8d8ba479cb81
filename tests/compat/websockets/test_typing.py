"""Types that programs write into their own annotations."""

from __future__ import annotations

import http
from typing import Any, Optional, get_type_hints

import pytest

import wscore
from wscore.compat.websockets import datastructures, typing
from wscore.protocol import headers

KINDS = [
    getattr(typing, name)
    for name in (*typing.__all__, "BytesLike", "DataLike", "ExtensionHeader", "PathLike")
]
KINDS += [datastructures.HeadersLike]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_they_are_types_at_run_time(kind: Any) -> None:
    """A program may evaluate them, alone or as a part of others."""
    assert Optional[kind] is not None  # noqa: UP045
    assert kind | None is not None


def test_hints_can_be_resolved() -> None:
    def function(
        data: wscore.Data, logger: wscore.LoggerLike, more: wscore.HeadersLike
    ) -> wscore.StatusLike: ...

    hints = get_type_hints(function, {"wscore": wscore, **vars(headers)})
    assert hints["data"] == str | bytes
    assert hints["return"] == http.HTTPStatus | int


def test_new_types_are_made_of_strings() -> None:
    for name in ("Origin", "Subprotocol", "ExtensionName"):
        assert getattr(wscore, name)("a") == "a"
