# One message to many connections. `fanout.py`, the twin, explains it and documents what is public.

cdef Py_ssize_t most_gathered = MOST_GATHERED
cdef Py_ssize_t few_members = FEW_MEMBERS
cdef int members_between_looks = MEMBERS_BETWEEN_LOOKS


@cython.final
@cython.no_gc_clear
cdef class Fanout:
    cdef public object report
    cdef object schedule, waiting
    cdef list writers
    cdef uint64_t order
    cdef Py_ssize_t count, before, receivers
    cdef int looks
    cdef bint lone, running, scheduled, sending
    cdef double since
    cdef Share share

    def __cinit__(self, schedule, report):
        self.schedule, self.report = schedule, report
        self.waiting, self.writers = deque(), []
        self.lone = True

    cdef inline int expect(self) except -1:
        if not self.scheduled:
            self.schedule()
            self.scheduled = True
        return 0

    cdef int published(self, Channel channel, SharedMessage message) except -1:
        self.order += 1
        message.order = self.order
        if not channel.waits:
            self.waiting.append(channel)
            channel.waits = True
            self.receivers += PyList_GET_SIZE(channel.present)
        return 0

    cdef int gathered(self, Channel channel) except -1:
        cdef bint at_once = channel.size > most_gathered
        self.count += 1
        if self.lone and self.count == 1 and PyList_GET_SIZE(channel.present) <= few_members:
            at_once = True
        if at_once and not self.running:
            self.finish(channel)
        return 0

    cdef int finish(self, Channel channel) except -1:
        self.running = True
        try:
            while PyList_GET_SIZE(channel.log):
                channel.advance(True)
        finally:
            self.running = False
        return 0

    def broadcast(self, connections, SharedMessage message not None):
        cdef list refused = []
        cdef Py_ssize_t written = 0
        cdef bint was_empty
        cdef FrameWriter writer
        cdef list all_of_them = list(connections)
        for connection in all_of_them:
            if (
                not isinstance(connection, BaseConnection)
                or (<BaseConnection>connection)._writer is None
            ):
                raise TypeError(not_a_connection(connection))
        self.expect()
        for connection in all_of_them:
            writer = (<BaseConnection>connection)._writer
            if not writer.accepting:
                refused.append((connection, None))
                continue
            try:
                was_empty = writer.used + writer.done_size == 0
                add_shared(writer, message)
            except Exception as error:
                refused.append((connection, error))
            else:
                written += 1
                if was_empty and writer.used + writer.done_size:
                    self.writers.append(writer)
        self.count += 1
        self.receivers += written
        if self.lone and self.count == 1 and written <= few_members:
            self.flush()
        return refused

    cdef bint time_is_up(self) noexcept:
        self.looks -= 1
        if self.looks > 0:
            return False
        self.looks = members_between_looks
        return is_used_up(&self.share)

    def run(self):
        self.scheduled = False
        if self.running:
            self.expect()
            return
        if not self.sending and self.waits_for_more():
            self.expect()
            return
        self.running = True
        try:
            self.flush()
            begin_share(&self.share, turn_messages)
            is_used_up(&self.share)
            self.go_on()
        finally:
            self.running = False
            self.sending = len(self.waiting) > 0
            if self.sending or len(self.writers):
                self.expect()

    cdef bint waits_for_more(self) noexcept:
        if not self.lone and self.count > self.before:
            self.before = self.count
            if not is_patience_over(&self.since, self.receivers):
                return True
        self.lone = self.count <= 1
        self.count = self.before = self.receivers = 0
        self.since = 0
        return False

    cdef int go_on(self) except -1:
        cdef Channel channel
        while len(self.waiting):
            channel = self.waiting[0]
            if PyList_GET_SIZE(channel.log) and not channel.advance(False):
                return 0
            self.waiting.popleft()
            channel.waits = PyList_GET_SIZE(channel.log) > 0
            if channel.waits:
                self.waiting.append(channel)
        return 0

    cdef int flush(self) except -1:
        cdef list writers = self.writers
        cdef FrameWriter writer
        cdef Py_ssize_t done = 0
        self.writers = []
        try:
            for writer in writers:
                done += 1
                if not writer.corked:
                    try:
                        writer.flush()
                    except Exception as error:
                        self.report(error)
        except BaseException:
            self.writers[:0] = writers[done:]
            raise
        return 0
