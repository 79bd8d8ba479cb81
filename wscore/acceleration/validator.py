"""The incremental UTF-8 validator of wsaccel, which autobahn and gevent-websocket also use.

It reports the index of the first invalid byte. The kernels only say yes or no, so they check whole
code points. The automaton below only handles a truncated or invalid code point: at most the first
and the last three bytes of a piece.
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

# States inside a code point, numbered as in wsaccel and autobahn: the first and the last
# continuation byte that may follow, and the next state (RFC 3629 4).
_CONTINUE = {
    2: (0x80, 0xBF, _ACCEPT),
    3: (0x80, 0xBF, 2),
    4: (0xA0, 0xBF, 2),  # after E0: nothing overlong
    5: (0x80, 0x9F, 2),  # after ED: no surrogates
    6: (0x90, 0xBF, 3),  # after F0: nothing overlong
    7: (0x80, 0xBF, 3),
    8: (0x80, 0x8F, 3),  # after F4: nothing above U+10FFFF
}
# The state after each first byte; 80..C1 and F5..FF are invalid.
_LEAD = (
    bytes(0x80) + b"\1" * 0x42 + b"\2" * 0x1E + b"\4" + b"\3" * 0xC + b"\5" + b"\3" * 2
    + b"\6" + b"\7" * 3 + b"\x08" + b"\1" * 0xB
)  # fmt: skip
# The length of a code point in bytes, by the state after its first byte.
_LENGTH = (1, 1, 2, 3, 3, 3, 4, 4, 4)


def _step(state: int, byte: int) -> int:
    if state == _ACCEPT:
        return _LEAD[byte]
    if state == _REJECT:
        return _REJECT
    low, high, after = _CONTINUE[state]
    return after if low <= byte <= high else _REJECT


def _whole(view: memoryview) -> int:
    """Return where a truncated code point at the end of *view* begins; its length if none."""
    size = len(view)
    for back in range(1, min(3, size) + 1):
        byte = view[size - back]
        if byte >= 0xC0:
            return size - back if _LENGTH[_LEAD[byte]] > back else size
        if byte < 0x80:
            break
    return size


class Utf8Validator:
    """Validates UTF-8 that comes in pieces.

    ``state`` is 0 between code points, 1 after an invalid byte, and greater inside a code point.
    ``i`` counts the bytes of all pieces. `decode` builds ``codepoint``, valid when it returns 0.
    """

    __slots__ = ("codepoint", "i", "state")

    UTF8_ACCEPT = _ACCEPT
    UTF8_REJECT = _REJECT

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start over with new text."""
        self.state = _ACCEPT
        self.codepoint = 0
        self.i = 0

    def decode(self, b: int) -> int:
        """Feed one byte, 0..255, and return the new ``state``."""
        if self.state == _ACCEPT:
            # The first of n bytes starts with n ones and a zero.
            length = _LENGTH[_LEAD[b]]
            self.codepoint = b & (0x7F if length == 1 else 0x7F >> length)
        else:
            self.codepoint = self.codepoint << 6 | b & 0x3F
        self.state = _step(self.state, b)
        return self.state

    def validate(self, buf: Buffer) -> tuple[bool, bool, int, int]:
        """Feed the next piece.

        Returns whether the text is valid so far, whether it ends between two code points, and an
        index within the piece and within all pieces: of the first invalid byte, else of the end.
        """
        if type(buf) is not bytes:
            buf = octets(buf)
        if self.state == _ACCEPT and _backend.is_utf8(buf):
            size = len(buf)
            self.i += size
            return True, True, size, self.i
        return self._validate_cut(memoryview(buf))

    def _validate_cut(self, view: memoryview) -> tuple[bool, bool, int, int]:
        """`validate` a piece that begins or ends inside a code point, or is invalid."""
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
    """Return where the first invalid or truncated code point begins; *view* begins with one."""
    whole = _whole(view)
    if _backend.is_utf8(view[:whole]):
        return whole
    try:
        str(view[:whole], "utf-8")
    except UnicodeDecodeError as wrong:
        return wrong.start
    raise AssertionError("the kernel refused what Python decodes")


def check_validator(live: Utf8Validator) -> None:
    """Test the *live* validator of a library: valid, truncated and invalid text."""
    expect(live.validate("größer".encode()[:3]), (True, False, 3, 3))
    expect(live.validate("größer".encode()[3:]), (True, True, 5, 8))
    live.reset()
    expect(live.validate(b"ok\xed\xa0\x80"), (False, False, 3, 3))
    live.reset()
