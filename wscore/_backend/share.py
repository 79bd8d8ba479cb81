"""How much one connection may do in a turn of the event loop, so that others have theirs."""

from __future__ import annotations

from time import monotonic

__all__ = [
    "FEW",
    "FEW_MEMBERS",
    "MEMBERS_BETWEEN_LOOKS",
    "MOST_BETWEEN_LOOKS",
    "MOST_GATHERED",
    "SEND_SECONDS",
    "SOME",
    "TURN_MESSAGES",
    "TURN_SECONDS",
    "Patience",
    "Share",
]  # fmt: skip

# A connection's share of a turn: it ends with whichever comes first.
TURN_MESSAGES = 4096
TURN_SECONDS = 0.002
# Messages between looks at the clock, at first and at most. A look costs a third of what the
# smallest message does: a read of few messages needs none, and one of some begins without it.
FEW = 8
SOME = 32
MOST_BETWEEN_LOOKS = 64
# Members of a channel that are served between looks at the clock: a tenth of a millisecond.
MEMBERS_BETWEEN_LOOKS = 32
# A lone message to this many members leaves at once; to more of them it may wait for others.
FEW_MEMBERS = 8
# What one write to a member takes, roughly: it pays to wait so long for what would need another.
SEND_SECONDS = 0.000003
# Bytes gathered for a channel, beyond which they do not wait for the end of a turn.
MOST_GATHERED = 1048576


class Share:
    """One connection's share of a turn, counted in strides: messages between looks at the clock.

    ::

        |-- 8 --|---- 16 ----|-------- 48 --------|---- 64 at most ----|  ...
        look    look         look                 look

    Strides grow with what went well, so slow callbacks are noticed after a few of them.
    """

    __slots__ = ("_since", "_stride", "_taken")

    def __init__(self, messages: int) -> None:
        self.begin(messages)

    def begin(self, messages: int) -> None:
        """Begin a new share, for *messages* at first."""
        # When the clock was looked at first; 0 before that.
        self._since = 0.0
        self._taken = 0
        # What `stride` returned last.
        self._stride = FEW if messages <= SOME else 0

    def stride(self) -> int:
        """How many messages may be handled before this is asked again; 0 ends the share.

        Asked once more, it begins a new share.
        """
        if not self._since:
            if self._stride:
                self._stride = 0
                return FEW
            self._since, self._stride = monotonic(), FEW
            return FEW
        self._taken += self._stride
        if self._taken >= TURN_MESSAGES or monotonic() - self._since >= TURN_SECONDS:
            self.begin(TURN_MESSAGES)
            return 0
        most = min(MOST_BETWEEN_LOOKS, TURN_MESSAGES - self._taken)
        self._stride = min(max(FEW, 2 * self._taken), most)
        return self._stride

    def is_used_up(self) -> bool:
        """Whether its time is over, for what is not counted in messages; then a new one begins."""
        now = monotonic()
        if not self._since:
            self._since, self._stride = now, 0
        elif now - self._since >= TURN_SECONDS:
            self.begin(TURN_MESSAGES)
            return True
        return False


class Patience:
    """How long more is waited for, rather than to write to all members now and again soon.

    That is no longer than the writes would take that can be saved, nor than a share of a turn.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Wait anew."""
        self._since = 0.0

    def is_over(self, members: int) -> bool:
        """Whether the writes to so many *members* would not have taken longer. Begins the wait."""
        now = monotonic()
        if not self._since:
            self._since = now
        return now - self._since > min(members * SEND_SECONDS, TURN_SECONDS)
