"""Types that the kernels' signatures share; imported for checking only, never at run time."""

from __future__ import annotations

from typing import TypeAlias

from typing_extensions import Buffer

from .errors import PayloadTooBig, ProtocolError
from .frames import Close, Frame

__all__ = ["Buffer", "Event"]

# What a MessageReader reports: whole messages, control frames and parts of messages that it
# does not assemble, the peer's Close, and last the violation that ended it.
Event: TypeAlias = str | bytes | Frame | Close | ProtocolError | PayloadTooBig
