"""websockets' extensions and compression in the engine's terms."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support.numbered import Numbered

from wscore.compat.websockets.asyncio.keywords import (
    extension_keywords,
    given,
    shows_its_own_keywords,
)
from wscore.compat.websockets.extensions.base import ClientExtensionFactory
from wscore.compat.websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from wscore.deflate import PerMessageDeflate


def test_none_stands_for_defaults() -> None:
    assert given(a=None, b=0, c=()) == {"b": 0, "c": ()}


@pytest.mark.parametrize("extensions", [None, [], ()])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_compression_alone_is_the_engines(extensions: Any, compression: str | None) -> None:
    assert extension_keywords(extensions, compression) == {
        "extensions": [],
        "compression": compression,
    }


@pytest.mark.parametrize("compression", [True, False, "zip", ""])
def test_other_compression_is_refused(compression: Any) -> None:
    with pytest.raises(ValueError, match="unsupported compression"):
        extension_keywords(None, compression)


@pytest.mark.parametrize(
    "factory",
    [
        ClientPerMessageDeflateFactory(),
        ServerPerMessageDeflateFactory(),
        PerMessageDeflate(),
        Numbered(),
    ],
)
def test_extensions_of_the_engine_are_taken_as_they_are(factory: Any) -> None:
    assert extension_keywords([factory], None)["extensions"] == [factory]


def test_a_factory_takes_the_place_of_compression() -> None:
    found = extension_keywords([ClientPerMessageDeflateFactory()], "deflate")
    assert found["compression"] is None
    assert extension_keywords([Numbered()], "deflate")["compression"] == "deflate"


@pytest.mark.parametrize("factory", [ClientExtensionFactory(), "deflate", None])
def test_what_works_on_frames_is_refused(factory: Any) -> None:
    with pytest.raises(TypeError, match=r"wscore\.extensions\.Extension"):
        extension_keywords([factory], None)


def test_a_class_shows_its_own_keywords() -> None:
    class Base:
        __signature__ = inspect.Signature()

    @shows_its_own_keywords
    class Derived(Base):
        def __init__(self, uri: str, *, own: int = 5) -> None: ...

    assert list(inspect.signature(Derived).parameters) == ["uri", "own"]
