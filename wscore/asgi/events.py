"""The events of ASGI: which may come when, and what is wrong with those that may not."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from ..codes import CloseCode
from ..protocol.checks import check_kind, mismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..frames import Close
    from ..protocol.connection import Protocol

    Event = Mapping[str, Any]

__all__ = ["Phase", "checked_headers", "close_arguments", "disconnect_event", "kind_of",
           "payload_of", "unexpected"]  # fmt: skip


class Phase(Enum):
    """Where the application stands, and which events it may send then."""

    CONNECTING = ("websocket.accept", "websocket.close", "websocket.http.response.start")
    OPEN = ("websocket.send", "websocket.close")
    DENYING = ("websocket.http.response.body",)
    OVER = ()


def kind_of(event: Any) -> str:
    """The type of an event that the application sends. Raises RuntimeError without one."""
    try:
        return event["type"]  # type: ignore[no-any-return]
    except (KeyError, TypeError, IndexError):
        raise RuntimeError(mismatch("an ASGI message", "a dict with a type", event)) from None


def unexpected(phase: Phase, kind: object) -> RuntimeError:
    """The error that tells what was expected in place of an event of this *kind*."""
    if phase is Phase.OVER:
        return RuntimeError(
            f"Unexpected ASGI message {kind!r}, after sending 'websocket.close' "
            "or response already completed."
        )
    *others, last = map(repr, phase.value)
    expected = f"{', '.join(others)} or {last}" if others else last
    return RuntimeError(f"Expected ASGI message {expected} but got {kind!r}.")


def payload_of(event: Event) -> str | bytes:
    """What ``websocket.send`` sends. Raises TypeError, ValueError."""
    text, data = event.get("text"), event.get("bytes")
    if (text is None) is (data is None):
        raise ValueError("websocket.send needs text or bytes, and not both")
    if text is not None:
        check_kind("text", text, str, "a str")
        return text  # type: ignore[no-any-return]
    check_kind("bytes", data, (bytes, bytearray, memoryview), "bytes")
    return bytes(data)  # type: ignore[arg-type]


def close_arguments(event: Event) -> tuple[int, str]:
    """Code and reason of ``websocket.close``, whose values are yet to be checked: TypeError."""
    code, reason = event.get("code"), event.get("reason")
    if code is None:
        code = CloseCode.NORMAL_CLOSURE
    elif isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(mismatch("code", "an int", code))
    check_kind("reason", reason, str, "a str", optional=True)
    return int(code), reason or ""


def checked_headers(event: Event) -> list[tuple[str, str]]:
    """The headers of an event as text. Raises TypeError for what are no pairs of bytes."""
    fields = []
    for pair in event.get("headers") or ():
        try:
            name, value = pair
            fields.append((bytes.decode(name, "latin-1").lower(), bytes.decode(value, "latin-1")))
        except (TypeError, ValueError):
            raise TypeError(mismatch("a header", "a pair of bytes", pair)) from None
    return fields


def disconnect_event(protocol: Protocol) -> dict[str, Any]:
    """``websocket.disconnect``, with what is known of the end: the Close that came first.

    The code is 1005 for a Close without one, and 1006 without a Close of anybody.
    """
    close = _first_close(protocol)
    if close is None:
        return {"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE)}
    event = {"type": "websocket.disconnect", "code": int(close.code)}
    if close is protocol.close_rcvd or close.reason:
        event["reason"] = close.reason
    return event


def _first_close(protocol: Protocol) -> Close | None:
    rcvd, sent = protocol.close_rcvd, protocol.close_sent
    if isinstance(protocol.failure, TimeoutError) and rcvd is None:
        return None  # nobody was there to read ours
    return (rcvd or sent) if protocol.close_rcvd_then_sent else (sent or rcvd)
