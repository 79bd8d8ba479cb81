"""What fuzzing has found, once it is mended: the input, and what was wrong."""

from __future__ import annotations

import pytest

from .conversation import encoded
from .targets import load

FINDINGS = {
    "a bare LF was judged after the request line in one read, before it in several": (
        "request",
        b"\0\3GET / HTTP/9.1\r\nHost: a\r15\nb\r\n\r\n",
    ),
    "the head of a chunk was bounded only where it came in several reads": (
        "response",
        b"\0\3\0\0HTTP/1.1 500\r\nTransfer-Encoding: chunked\r\n\r\n2;%b\r\nab" % (b"~" * 260),
    ),
    "a password between misplaced brackets was repeated in the error": (
        "uri",
        b"ws://[somebody:a_password_that_is_long@::1]/",
    ),
    "what follows an unescaped @ of a password was repeated in the error": (
        "uri",
        b"ws://somebody:p@ssword_of_mine_that_is_long@localhost/",
    ),
    "fail() wrote a Close after a handshake that had been refused": (
        "client",
        b"\0\0\0" + encoded(b"junk\r\n\r\n") + b"\xc7",
    ),
    "a compressed message of no bytes broke the next one": (
        "inflate",
        bytes.fromhex("01000001000b000500faff48656c6c6f000000000100"),
    ),
}


@pytest.mark.parametrize("what", FINDINGS)
def test_it_stays_mended(what: str) -> None:
    target, data = FINDINGS[what]
    load(target).test_one_input(data)
