"""Whether what was seen is what had to come: strictly for wscore, by the standards for others."""

from __future__ import annotations

from support.oracles import is_sendable_close_code

from .seen import Seen
from .vocabulary import Case, Outcome, Role

__all__ = ["breach", "complaint"]


def complaint(case: Case, seen: Seen) -> str | None:
    """What is wrong about *seen*, None for nothing: the exact code, status and messages."""
    outcome = case.outcome
    if seen.wrong is not None:
        return seen.wrong
    if not seen.ended:
        return "the stream was not ended"
    if seen.opened is not outcome.opened:
        return "the handshake was accepted" if seen.opened else "the handshake was refused"
    if case.role is Role.SERVER and not outcome.opened:
        allowed = outcome.statuses or (None,)
        if seen.status not in allowed:
            return f"status {seen.status}, not {allowed}"
    return _header_complaint(outcome, seen) or _opened_complaint(case, seen)


def _header_complaint(outcome: Outcome, seen: Seen) -> str | None:
    for name, value in outcome.headers.items():
        found = seen.headers.get(name)
        if not (found == value or (found and value and _parts(value) <= _parts(found))):
            return f"{name}: {seen.headers.get(name)!r}, not {value!r}"
    return None


def _parts(value: str) -> set[str]:
    """The elements of a list, or an extension and its parameters."""
    return {part.strip() for part in value.replace(",", ";").split(";")}


def _opened_complaint(case: Case, seen: Seen) -> str | None:
    outcome = case.outcome
    if not outcome.opened:
        return None
    if seen.close not in (outcome.codes or (None,)):
        return f"Close {seen.close}, not {outcome.codes}"
    return _message_complaint(case, seen)


def _message_complaint(case: Case, seen: Seen) -> str | None:
    outcome = case.outcome
    expected = list(outcome.messages)
    if not case.goes_on:  # the end may have been read before the echo was written
        expected = expected[: len(seen.messages)]
    if seen.messages != expected:
        return "other messages were delivered than were sent"
    if outcome.pongs and seen.pongs[-1:] != list(outcome.pongs[-1:]):
        return f"the pong of {outcome.pongs[-1]!r} is missing"
    return None


def breach(case: Case, seen: Seen) -> str | None:
    """What *seen* breaks of the standards, None for nothing.

    How a connection is failed is free: a Close with any legal code, an end without one, any
    status but 101. What is delivered or accepted in spite of the rules is not, and neither are
    refusals of what is right.
    """
    outcome = case.outcome
    if not outcome.opened:
        if seen.opened and case.role is Role.SERVER:
            return f"accepted it ({seen})"
        return _header_complaint(outcome, seen) if seen.status is not None else None
    if not seen.opened:
        return None if seen.status in outcome.statuses else f"refused the handshake ({seen})"
    if seen.close is not None and seen.close != 1005 and not is_sendable_close_code(seen.close):
        return f"sent the illegal code {seen.close}"
    if outcome.violation:
        if seen.close is None and not seen.ended:
            return f"went on ({seen})"
        if _message_complaint(case, seen) is not None:
            return f"delivered what it should not ({seen})"
        return None
    if _message_complaint(case, seen) is not None:
        return f"lost or changed messages ({seen})"
    return seen.wrong or _header_complaint(outcome, seen)
