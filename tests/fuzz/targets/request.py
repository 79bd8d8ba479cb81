"""RequestParser: one verdict however the bytes are cut, within the limits, and read back alike."""

from __future__ import annotations

from typing import Any

from wscore.errors import InvalidMessage
from wscore.protocol.http11 import RequestParser

from ..choices import Choices, pieces
from ..head_limits import LIMITS, within_limits
from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import requests

__all__ = ["TOKENS"]

_STATUSES = (400, 414, 431, 505)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    limits, size = choices.pick(LIMITS), choices.number()
    stream = choices.rest()
    whole = _verdict(stream, 0, limits)
    for cut in {1, size, 64}:
        assert _verdict(stream, cut, limits) == whole, f"pieces of {cut}"
    if isinstance(whole, tuple):
        request, head, rest = whole
        assert head + rest == stream
        assert within_limits(head, **limits)
        again = RequestParser(**{**limits, "max_head": len(head) + 16, "max_line": 1 << 20})
        written = request.serialize()
        assert b"\r\n\r\n" not in written[:-4]
        # A target in absolute-form was reduced, and white space around values is gone.
        assert again.feed(written + b"rest") == request
        assert again.rest == b"rest"
    elif whole is None:
        assert b"\r\n\r\n" not in stream
    else:
        assert whole in _STATUSES


def _verdict(stream: bytes, size: int, limits: dict[str, int]) -> Any:
    """The request with its head and all that follows, None when it is not whole, or the status."""
    parser = RequestParser(**limits)
    request, rest = None, b""
    try:
        for piece in pieces(stream, size):
            if request is not None:
                rest += piece
            else:
                request = parser.feed(piece)
                rest = parser.rest
    except InvalidMessage as error:
        # The text may name another one of several faults, as it is this side's own.
        return error.status
    return None if request is None else (request, parser.head, rest)


def seeds() -> list[bytes]:
    return [bytes((limit, 3)) + head for head in requests() for limit in range(len(LIMITS))]
