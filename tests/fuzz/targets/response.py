"""ResponseParser: one verdict however the bytes are cut; bodies stay within the limit."""

from __future__ import annotations

from typing import Any

from wscore.errors import InvalidMessage
from wscore.protocol.http11 import ResponseParser

from ..choices import Choices, pieces
from ..head_limits import LIMITS
from ..seeds import HEADER_TOKENS, responses

TOKENS = (
    *HEADER_TOKENS,
    b"HTTP/1.1 101 ",
    b"HTTP/1.1 100 ",
    b"HTTP/1.1 200 ",
    b"0\r\n\r\n",
    b"5\r\n",
)

_MAX_BODIES = (1048576, 0, 1, 4, 100)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    limits, size = choices.pick(LIMITS), choices.number()
    options = {**limits, "max_body": choices.pick(_MAX_BODIES), "tunnel": choices.flag()}
    stream = choices.rest()
    whole = _verdict(stream, 0, options)
    for cut in {1, size, 64}:
        assert _verdict(stream, cut, options) == whole, f"pieces of {cut}"
    if isinstance(whole, tuple):
        response, rest, _ = whole
        assert 101 <= response.status_code <= 599
        assert response.status_code == 101 or response.status_code >= 200
        assert len(response.body) <= options["max_body"]
        assert stream.endswith(rest)
        # 101 is where frames begin: not one byte of them may be taken for a body.
        if response.status_code == 101:
            assert response.body == b""
            head = response.serialize()
            again = ResponseParser()
            if len(head) < 8192:
                assert again.feed(head + rest) == response
                assert again.rest == rest


def _verdict(stream: bytes, size: int, options: dict[str, Any]) -> Any:
    """The response, what follows it and whether it ended by itself; or the status."""
    parser = ResponseParser(**options)
    response, rest = None, b""
    try:
        for piece in pieces(stream, size):
            if response is not None:
                rest += piece
            else:
                response = parser.feed(piece)
                rest = parser.rest
        if response is None:
            return parser.feed_eof(), b"", False
    except InvalidMessage as error:
        return error.status
    # A body's end is found somewhere in a read; what follows it there is of no interest.
    status = response.status_code
    bodiless = status in (101, 204, 304) or (options["tunnel"] and status < 300)
    return response, rest if bodiless else b"", True


def seeds() -> list[bytes]:
    return [bytes((0, 3, body, 0)) + head for head in responses() for body in (0, 3)]
