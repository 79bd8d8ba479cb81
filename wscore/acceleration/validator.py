"""wsaccel's incremental UTF-8 validator, which autobahn and gevent-websocket have as well.

It tells exactly which byte is the first wrong one. The kernels only say yes or no, so they check
what is whole, and the automaton below only walks over a code point that is cut or wrong: at most
the first and the last three bytes of a piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _backend
from .base import expect
from .maskers import octets

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["Utf8Validator", "check_validator"]

_ACCEPT = 0
_REJECT = 1

# States between the bytes of a code point, numbered as in wsaccel and autobahn: which
# continuation bytes may follow, from and to, and the state after it (RFC 3629 4).
_CONTINUE = {
    2: (0x80, 0xBF, _ACCEPT),
    3: (0x80, 0xBF, 2),
    4: (0xA0, 0xBF, 2),  # after E0: nothing overlong
    5: (0x80, 0x9F, 2),  # after ED: no surrogates
    6: (0x90, 0xBF, 3),  # after F0: nothing overlong
    7: (0x80, 0xBF, 3),
    8: (0x80, 0x8F, 3),  # after F4: nothing above U+10FFFF
}
# The state after each first byte, 80..C1 and F5..FF being none.
_LEAD = (
    bytes(0x80) + b"\1" * 0x42 + b"\2" * 0x1E + b"\4" + b"\3" * 0xC + b"\5" + b"\3" * 2
    + b"\6" + b"\7" * 3 + b"\x08" + b"\1" * 0xB
)  # fmt: skip
# How many bytes a code point has, from the state after its first one.
_LENGTH = (1, 1, 2, 3, 3, 3, 4, 4, 4)


def _step(state: int, byte: int) -> int:
    if state == _ACCEPT:
        return _LEAD[byte]
    if state == _REJECT:
        return _REJECT
    low, high, after = _CONTINUE[state]
    return after if low <= byte <= high else _REJECT


def _whole(view: memoryview) -> int:
    """Where the code point begins that *view* cuts off at its end; its length if it does not."""
    size = len(view)
    for back in range(1, min(3, size) + 1):
        byte = view[size - back]
        if byte >= 0xC0:
            return size - back if _LENGTH[_LEAD[byte]] > back else size
        if byte < 0x80:
            break
    return size


class Utf8Validator:
    """Checks UTF-8 that comes in pieces.

    ``state`` is 0 between code points, 1 after a wrong byte, else inside of one; ``i`` counts
    the bytes of all pieces; ``codepoint`` is built up by `decode` and valid when it returns 0.
    """

    __slots__ = ("codepoint", "i", "state")

    UTF8_ACCEPT = _ACCEPT
    UTF8_REJECT = _REJECT

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything that came so far."""
        self.state = _ACCEPT
        self.codepoint = 0
        self.i = 0

    def decode(self, b: int) -> int:
        """Take one byte, 0..255, of a code point; return the new ``state``."""
        if self.state == _ACCEPT:
            # A first byte of n bytes starts with n ones and a zero.
            length = _LENGTH[_LEAD[b]]
            self.codepoint = b & (0x7F if length == 1 else 0x7F >> length)
        else:
            self.codepoint = self.codepoint << 6 | b & 0x3F
        self.state = _step(self.state, b)
        return self.state

    def validate(self, buf: Buffer) -> tuple[bool, bool, int, int]:
        """Check the next piece.

        Returns whether it is valid so far, whether it ends between two code points, and the
        index within the piece and within all pieces: that of the first wrong byte, else the end.
        """
        if type(buf) is not bytes:
            buf = octets(buf)
        if self.state == _ACCEPT and _backend.is_utf8(buf):
            size = len(buf)
            self.i += size
            return True, True, size, self.i
        return self._validate_cut(memoryview(buf))

    def _validate_cut(self, view: memoryview) -> tuple[bool, bool, int, int]:
        """`validate` for a piece that begins or ends inside a code point, or is wrong."""
        size = len(view)
        at = 0
        while at < size and self.state != _ACCEPT:
            if _step(self.state, view[at]) == _REJECT:
                return self._reject(at)
            self.state = _step(self.state, view[at])
            at += 1
        at += _valid_until(view[at:])
        while at < size:
            self.state = _step(self.state, view[at])
            if self.state == _REJECT:
                return self._reject(at)
            at += 1
        self.i += size
        return True, self.state == _ACCEPT, size, self.i

    def _reject(self, at: int) -> tuple[bool, bool, int, int]:
        self.state = _REJECT
        self.i += at
        return False, False, at, self.i


def _valid_until(view: memoryview) -> int:
    """Where the first code point begins that is wrong or cut off, from between two of them."""
    whole = _whole(view)
    if _backend.is_utf8(view[:whole]):
        return whole
    try:
        str(view[:whole], "utf-8")
    except UnicodeDecodeError as wrong:
        return wrong.start
    raise AssertionError("the kernel refused what Python decodes")


def check_validator(live: Utf8Validator) -> None:
    """Self-test of a library's *live* validator: good text, cut text, wrong text."""
    expect(live.validate("größer".encode()[:3]), (True, False, 3, 3))
    expect(live.validate("größer".encode()[3:]), (True, True, 5, 8))
    live.reset()
    expect(live.validate(b"ok\xed\xa0\x80"), (False, False, 3, 3))
    live.reset()
