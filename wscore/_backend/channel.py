"""Who gets what is published, in pure Python: the twin of `channel.pxi`.

Publishing costs the same however many members there are: the message is put down once, in its
channel. When the turn of the event loop ends, each member gets all that was published meanwhile in
one write, most of them the very same bytes. For a hundred clients that all send to all, that is a
hundred writes in a turn instead of ten thousand.

Whatever else is written to a member comes in the order of the calls: `FrameWriter.message` settles
first what was published before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .membership import Membership, members_with_news
from .rules import MAX_FRAME
from .shared import SharedMessage, batch_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .fanout import Fanout
    from .shared import Batch
    from .writer import FrameWriter


class Channel:
    """Who is to get what is published here, and what has not reached all of them.

    *owner* hears of members that end or are too slow: ``ended(connection)``, which has to call
    `leave`, and ``slow(connection)``. A member with more than *max_unsent* unsent bytes meets
    *overflow*: ``"close"``, ``"drop_newest"`` or ``"drop_oldest"``.

    ::

        log:   | base ...         | begun ...       end |
        pass:    goes out now       with the next pass
        members: | have it | cursor: do not have it |
    """

    __slots__ = {
        "_base": None,
        "_batches": None,
        "_begun": None,
        "_cursor": None,
        "_fits": None,
        "_log": None,
        "_members": None,
        "_size": None,
        "_slow": None,
        "_waits": None,
        "delivered": "int: messages written to members so far, each for each member.",
        "dropped": "int: messages that members were too slow for.",
        "fanout": "The Fanout of its event loop.",
        "max_unsent": "int: bytes that may wait for a member.",
        "overflow": "str: what happens to more.",
        "owner": "The object whose `ended` and `slow` are called.",
    }

    def __init__(self, fanout: Fanout, owner: Any, *, max_unsent: int, overflow: str) -> None:
        self.fanout = fanout
        self.owner = owner
        self.max_unsent = max_unsent
        self.overflow = overflow
        self._members: list[Membership] = []
        self.delivered = self.dropped = 0
        # Messages that have not reached all members, the number of the first of them, and the
        # bytes of all their payloads.
        self._log: list[SharedMessage] = []
        self._base = self._size = 0
        # Whether the fan-out knows that there is something in the log.
        self._waits = False
        # Up to where the pass goes, `_base` between passes; and the next member that it comes to.
        self._begun = self._cursor = 0
        # Whether the pass is small enough to be sent at once, and what members of one kind get.
        self._fits = False
        # Members that do not keep up: the others do not wait for what that takes.
        self._slow: list[Membership] = []
        self._batches: dict[Any, Batch] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> list[Membership]:
        """A copy of the list of its memberships, in no order."""
        return list(self._members)

    @property
    def _end(self) -> int:
        """The number that the next message will have."""
        return self._base + len(self._log)

    def find(self, writer: FrameWriter) -> Membership | None:
        """The membership of the connection that *writer* writes for, None without one."""
        return None if writer._memberships is None else writer._memberships.get(self)

    def join(self, writer: FrameWriter) -> bool:
        """Make it a member, who gets what is published from now on; False if it is one."""
        if self.find(writer) is not None:
            return False
        if writer._memberships is None:
            writer._memberships = {}
        member = Membership(self, writer)
        writer._memberships[self] = member
        self._members.append(member)
        return True

    def leave(self, writer: FrameWriter) -> bool:
        """End a membership; False without one. What was published before is still sent."""
        member = self.find(writer)
        if member is None:
            return False
        if member._seen < self._end:
            writer.settle()
        if self.find(writer) is not member:  # other code has run
            return False
        self._remove(member)
        self._flush_soon(writer)
        return True

    def _flush_soon(self, writer: FrameWriter) -> None:
        if len(writer) and writer._buffer is not None and not writer.corked:
            try:
                writer.owner.write_soon()
            except Exception as error:  # its event loop may be closed
                self.fanout.report(error)

    def give(self, writer: FrameWriter, messages: Iterable[tuple[int, bytes]]) -> None:
        """Send messages to one member only, opcodes and payloads, within the limits of all."""
        writer.settle()
        for opcode, payload in messages:
            writer._add_shared(SharedMessage(opcode, payload, self))
        self._flush_soon(writer)

    def _remove(self, member: Membership) -> None:
        """Fill the gap with a member that the pass has visited, or else with the last one."""
        writer, members, gap = member.writer, self._members, member._index
        assert writer._memberships is not None
        del writer._memberships[self]
        if not writer._memberships:
            writer._memberships = None
        if gap < self._cursor:
            self._cursor -= 1
            members[gap] = members[self._cursor]
            members[gap]._index = gap
            gap = self._cursor
        last = members.pop()
        if last is not member and gap < len(members):
            members[gap] = last
            last._index = gap

    # Publishing

    def publish(self, opcode: int, payload: bytes, excluded: Iterable[FrameWriter] = ()) -> int:
        """Have all members get a message but the *excluded* ones; returns how many that are.

        Raises RuntimeError on a wrong thread, if it is the first in a turn, and has done nothing.
        """
        if not self._members:
            return 0
        message = SharedMessage(opcode, payload, self)
        self.fanout._expect()
        without = [] if excluded == () else self._settled(excluded)
        self.fanout._published(self, message)
        self._log.append(message)
        for member in without:
            member._seen = self._end
        self._size += len(payload)
        receivers = len(self._members) - len(without)
        self.fanout._gathered(self, self._size)
        return receivers

    def _settled(self, writers: Iterable[FrameWriter]) -> list[Membership]:
        """Memberships of *writers* that have got everything so far, each once."""
        writers = list(dict.fromkeys(writers))
        while True:
            found = [m for m in map(self.find, writers) if m is not None]
            behind = [m for m in found if m._seen < self._end]
            if not behind:
                return found
            for member in behind:
                member.writer.settle()

    # Sending

    def _advance(self, all_of_it: bool) -> bool:
        """Go on with the pass, as long as the time for it lasts or to its end; is it at its end?"""
        if self._begun == self._base:
            self._begin_pass()
        while self._cursor < len(self._members):
            if not all_of_it and self.fanout._time_is_up():
                return False
            member = self._members[self._cursor]
            self._cursor += 1
            if member.writer.queueing:
                self._slow.append(member)
            else:
                self._send_to(member)
        while self._slow:
            if not all_of_it and self.fanout._time_is_up():
                return False
            self._send_to(self._slow.pop())
        self._end_pass()
        return True

    def _begin_pass(self) -> None:
        self._begun, self._cursor = self._end, 0
        self._fits = self._size <= min(self.max_unsent, MAX_FRAME)

    def _end_pass(self) -> None:
        done = self._begun - self._base
        sent, batches = self._log[:done], self._batches
        self._size -= sum(len(message.payload) for message in sent)
        del self._log[:done]
        self._base = self._begun
        self._cursor = 0
        self._batches = {}
        del sent, batches  # which may run other code

    def _send_to(self, member: Membership) -> None:
        writer = member.writer
        try:
            if member._seen < self._begun:
                batch = self._batch_for(member)
                if batch is not None and batch.encoded:
                    assert writer.codec is not None
                    writer.codec.forget()  # its next message must not refer to those before
                    batch = self._batch_for(member)  # that may have run other code
                if batch is not None:
                    self._send_batch(member, batch)
                    return
        except Exception as error:
            if member._seen >= self._begun:
                writer._fail(error)
                self.fanout.report(error)
        except BaseException as error:
            writer._fail(error)  # what it has not got is lost
            raise
        try:
            if member._seen < self._begun:
                writer.settle()  # which tells of each message that cannot be sent
            if not writer.corked:
                writer.flush()
        except Exception as error:
            writer._fail(error)
            self.fanout.report(error)

    def _batch_for(self, member: Membership) -> Batch | None:
        """What *member* gets now if it is what others get, too; else None."""
        if not self._is_batched(member):
            return None
        codec = member.writer.codec
        kind = None if codec is None else codec.sharing
        if codec is not None and kind is None:
            return None
        batch = self._batches.get(kind)
        if batch is None:
            batch = batch_of(self._log[: self._begun - self._base], codec)
            self._batches[kind] = batch
        # The codec may have run other code.
        return batch if self._is_batched(member) else None

    def _is_batched(self, member: Membership) -> bool:
        writer = member.writer
        return (
            self._fits
            and writer._memberships is not None
            and writer._takes_shared
            and member._seen == self._base
            and all(other is member for other in members_with_news(writer._memberships))
        )

    def _send_batch(self, member: Membership, batch: Batch) -> None:
        member._seen = self._begun
        self.delivered += batch.messages
        member.writer._send_shared(batch.frames, batch.messages)
