"""wsaccel: the extension that websocket-client and gevent-websocket take when they find it."""

from __future__ import annotations

from wsaccel import utf8validator, xormask

from ..contract import Call, compiled


def check() -> None:
    compiled(xormask)
    compiled(utf8validator)


def apply_mask(data: bytes, mask: bytes) -> Call:
    """A masker holds one frame's key, so there is a new one to each frame."""
    return Call("Masker(key).process(data)", Masker=xormask.XorMaskerSimple, data=data, key=mask)


def is_utf8(data: bytes) -> Call:
    """Valid, and not within a character: the message ends here."""
    validator = utf8validator.Utf8Validator()
    return Call(
        "(reset(), validate(data))[1]",
        reset=validator.reset,
        validate=validator.validate,
        data=data,
        result=lambda found: bool(found[0] and found[1]),
    )
