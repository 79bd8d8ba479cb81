# Who gets what is published. `channel.py`, the twin, explains it and documents what is public.

cdef tuple NOBODY = ()


@cython.final
@cython.no_gc_clear
cdef class Channel:
    cdef readonly object owner
    cdef readonly Fanout fanout
    cdef readonly Py_ssize_t max_unsent
    cdef readonly object overflow
    cdef public uint64_t delivered, dropped
    cdef list present  # the memberships
    cdef list log
    cdef dict batches
    cdef list slow  # members that do not keep up: the others do not wait for what that takes
    cdef int64_t base, begun
    cdef Py_ssize_t cursor, size
    cdef bint waits, fits

    def __cinit__(self, Fanout fanout not None, owner, *, Py_ssize_t max_unsent, str overflow not None):
        self.fanout, self.owner = fanout, owner
        self.max_unsent, self.overflow = max_unsent, overflow
        self.present, self.log = [], []

    def __len__(self):
        return PyList_GET_SIZE(self.present)

    @property
    def members(self):
        return list(self.present)

    cdef inline int64_t end(self) noexcept:
        return self.base + PyList_GET_SIZE(self.log)

    def find(self, FrameWriter writer not None):
        return find_membership(self, writer)

    def join(self, FrameWriter writer not None):
        cdef Membership member
        if find_membership(self, writer) is not None:
            return False
        member = Membership.__new__(Membership)
        make_room(writer)
        if find_membership(self, writer) is not None:  # a finalizer has joined it
            return False
        # From here on no other code runs.
        member.channel, member.writer = self, writer
        member.index, member.seen = PyList_GET_SIZE(self.present), self.end()
        self.present.append(member)
        try:
            add_membership(writer, member)
        except MemoryError:
            self.present.pop()
            raise
        return True

    def leave(self, FrameWriter writer not None):
        cdef Membership member = find_membership(self, writer)
        if member is None:
            return False
        if member.seen < self.end():
            settle(writer)
        if find_membership(self, writer) is not member:
            return False
        self.remove(member)
        self.flush_soon(writer)
        return True

    cdef int flush_soon(self, FrameWriter writer) except -1:
        if writer.used + writer.done_size and writer.buffer is not None and not writer.corked:
            try:
                writer.owner.write_soon()
            except Exception as error:
                self.fanout.report(error)
        return 0

    def give(self, FrameWriter writer not None, messages):
        settle(writer)
        for opcode, payload in messages:
            add_shared(writer, SharedMessage(opcode, payload, self))
        self.flush_soon(writer)

    cdef int remove(self, Membership member) except -1:
        cdef Py_ssize_t gap = member.index
        cdef Membership other
        remove_membership(member.writer, member)
        if gap >= len(self.present) or <object>PyList_GET_ITEM(self.present, gap) is not member:
            raise RuntimeError("the list of members was changed")
        if gap < self.cursor:
            self.cursor -= 1
            other = <Membership>PyList_GET_ITEM(self.present, self.cursor)
            other.index = gap
            self.present[gap] = other
            gap = self.cursor
        other = self.present.pop()
        if other is not member and gap < len(self.present):
            other.index = gap
            self.present[gap] = other
        return 0

    # Publishing

    def publish(self, int opcode, bytes payload not None, excluded=()):
        cdef SharedMessage message
        cdef list without = None
        cdef Membership member
        cdef Py_ssize_t receivers
        if not PyList_GET_SIZE(self.present):
            return 0
        message = SharedMessage.__new__(SharedMessage)
        message.opcode, message.payload, message.channel = opcode, payload, self
        self.fanout.expect()
        if excluded is not NOBODY:
            without = self.settled(excluded)
        self.fanout.published(self, message)
        self.log.append(message)
        self.size += PyBytes_GET_SIZE(payload)
        receivers = PyList_GET_SIZE(self.present)
        if without is not None:
            receivers -= len(without)
            for member in without:
                member.seen = self.end()
        self.fanout.gathered(self)
        return receivers

    cdef list settled(self, object writers):
        cdef list found
        cdef Membership member
        cdef bint behind = True
        writers = list(dict.fromkeys(writers))
        found = []
        while behind:
            behind = False
            found = []
            for writer in writers:
                member = self.find(writer)
                if member is not None:
                    found.append(member)
            for member in found:
                if member.seen < self.end():
                    behind = True
                    settle(member.writer)
        return found

    # Sending

    cdef bint advance(self, bint all_of_it) except -1:
        cdef Membership member
        if self.begun == self.base:
            self.begun, self.cursor = self.end(), 0
            self.fits = self.size <= min(self.max_unsent, max_frame)
        while self.cursor < PyList_GET_SIZE(self.present):
            if not all_of_it and self.fanout.time_is_up():
                return False
            member = <Membership>PyList_GET_ITEM(self.present, self.cursor)
            self.cursor += 1
            if not member.writer.queueing:
                self.send_to(member)
            elif self.slow is None:
                self.slow = [member]
            else:
                self.slow.append(member)
        while self.slow:
            if not all_of_it and self.fanout.time_is_up():
                return False
            member = self.slow.pop()
            self.send_to(member)
        self.slow = None
        self.end_pass()
        return True

    cdef int end_pass(self) except -1:
        # To make a list may run other code, and so may the end of what is held here.
        cdef list rest = []
        cdef list log = self.log
        cdef dict batches = self.batches
        cdef Py_ssize_t i, done = self.begun - self.base
        for i in range(done, PyList_GET_SIZE(log)):
            rest.append(<object>PyList_GET_ITEM(log, i))
        for i in range(done):
            self.size -= PyBytes_GET_SIZE((<SharedMessage>PyList_GET_ITEM(log, i)).payload)
        self.base = self.begun
        self.cursor = 0
        self.batches = None
        self.log = rest
        return 0

    cdef int send_to(self, Membership member) except -1:
        cdef FrameWriter writer = member.writer
        cdef Batch batch
        try:
            if member.seen < self.begun:
                batch = self.batch_for(member)
                if batch is not None and batch.encoded:
                    writer.codec.forget()  # its next message must not refer to those before
                    batch = self.batch_for(member)  # that may have run other code
                if batch is not None:
                    self.send_batch(member, batch)
                    return 0
        except Exception as error:
            if member.seen >= self.begun:
                writer.fail()
                self.fanout.report(error)
        except BaseException:
            writer.fail()  # what it has not got is lost
            raise
        try:
            if member.seen < self.begun:
                settle(writer)  # which tells of each message that cannot be sent
            if not writer.corked:
                writer.flush()
        except Exception as error:
            writer.fail()
            self.fanout.report(error)
        return 0

    cdef Batch batch_for(self, Membership member):
        """What *member* gets now if it is what others get, too; else None."""
        cdef FrameWriter writer = member.writer
        cdef object kind
        cdef Batch batch
        if not self.is_batched(writer, member):
            return None
        kind = None
        if writer.codec is not None:
            kind = writer.codec.sharing
            if kind is None:
                return None
        batch = None if self.batches is None else self.batches.get(kind)
        if batch is None:
            batch = self.new_batch(writer.codec)
            if self.batches is None:
                self.batches = {}
            self.batches[kind] = batch
            # The codec may have run other code.
            if not self.is_batched(writer, member):
                return None
        return batch

    cdef inline bint is_batched(self, FrameWriter writer, Membership member) except -1:
        # What may run other code comes first.
        return (
            self.fits and not has_other_news(writer, member)
            and self.base <= member.seen < self.begun and takes_shared(writer)
        )

    cdef Batch new_batch(self, object codec):
        cdef Batch batch = Batch.__new__(Batch)
        cdef SharedMessage message
        cdef bytes encoded
        batch.payloads, batch.starts = [], []
        for message in self.log[:self.begun - self.base]:
            encoded = None if codec is None else message.encode_for(codec)
            batch.encoded |= encoded is not None
            batch.starts.append(
                first_byte(message.opcode, 0, True, False) | (0x40 if encoded is not None else 0)
            )
            batch.payloads.append(message.payload if encoded is None else encoded)
        batch.join()
        return batch

    cdef int send_batch(self, Membership member, Batch batch) except -1:
        cdef FrameWriter writer = member.writer
        cdef Py_ssize_t seen = member.seen - self.base
        cdef Py_ssize_t messages = PyList_GET_SIZE(batch.payloads) - seen
        member.seen = self.begun
        self.delivered += messages
        writer.send_shared(batch.frames, batch.offset(seen), messages)
        return 0
