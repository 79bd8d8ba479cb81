"""What an extension of one's own implements."""

from __future__ import annotations

import pytest

from wscore import NegotiationError, Opcode
from wscore.compat.websockets import extensions
from wscore.compat.websockets.extensions.base import (
    ClientExtensionFactory,
    Extension,
    ServerExtensionFactory,
)
from wscore.compat.websockets.frames import Frame


def test_nothing_is_implemented() -> None:
    frame = Frame(Opcode.TEXT, b"")
    for call in (
        lambda: Extension().encode(frame),
        lambda: Extension().decode(frame),
        lambda: ClientExtensionFactory().get_request_params(),
        lambda: ClientExtensionFactory().process_response_params([], []),
        lambda: ServerExtensionFactory().process_request_params([], []),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_the_package_has_them() -> None:
    assert extensions.Extension is Extension


def test_an_offer_may_be_declined_without_a_word() -> None:
    assert str(NegotiationError()) == ""
