# From the reader to the callbacks of a listener. `dispatcher.py`, the twin, documents what is public.

cdef class Dispatcher(ReadTaker):
    cdef public bint direct
    cdef readonly object connection, listener
    cdef MessageReader reader
    cdef FrameWriter writer
    cdef bint inside  # a callback is running
    # Reads that filled their memory may follow each other within a turn: they have one share.
    cdef bint chained
    cdef Share share

    def __init__(
        self, MessageReader reader not None, FrameWriter writer not None, connection, listener
    ):
        self.reader, self.writer = reader, writer
        self.connection, self.listener = connection, listener
        self.context = copy_context()
        self.direct = True

    def receive(self, list events, Py_ssize_t nbytes, bint mixed):
        raise NotImplementedError

    def react(self, event):
        raise NotImplementedError

    def put_off(self, list events):
        raise NotImplementedError

    def queue_up(self, list events):
        raise NotImplementedError

    def give_way(self):
        raise NotImplementedError

    def failed(self):
        raise NotImplementedError

    def stopped(self, stop):
        raise NotImplementedError

    def updated(self, Py_ssize_t nbytes):
        self.take_read(nbytes)

    @cython.nonecheck(True)
    cdef int take_read(self, Py_ssize_t nbytes) except -1:
        cdef list events
        cdef bint filled
        if self.direct and not self.inside:
            message = self.reader.lone_message(nbytes)
            if message is not None:
                self.chained = False
                return self.hand_over_one(message)
        events = self.reader.committed(nbytes)
        filled = self.reader.filled
        if not self.chained:
            begin_share(&self.share, len(events))
        self.chained = filled
        if self.inside:
            self.queue_up(events)
        elif self.reader.mixed or not self.direct:
            self.receive(events, nbytes, self.reader.mixed)
        else:
            self.hand_over(events, False)
        if filled and self.chained and is_used_up(&self.share):
            self.chained = False
            self.give_way()
        return 0

    def dispatch(self, list events not None, bint mixed):
        begin_share(&self.share, len(events))
        self.hand_over(events, mixed)

    @cython.nonecheck(True)
    cdef int hand_over(self, list events, bint mixed) except -1:
        """Hand over *events* as far as the share of this turn reaches; the rest is put off."""
        cdef Py_ssize_t i = 0, until
        if not len(events):
            return 0
        PyContext_Enter(self.context)
        self.inside = self.writer.corked = True
        try:
            while i < len(events):
                until = i + next_stride(&self.share)
                if until == i:
                    break
                try:
                    while i < until and i < len(events):
                        event = events[i]
                        i += 1
                        if mixed and not isinstance(event, (str, bytes)):
                            self.react(event)
                        else:
                            self.listener.on_message(self.connection, event)
                except (KeyboardInterrupt, SystemExit) as stop:
                    self.stopped(stop)
                    break
                except BaseException:
                    if not self.failed():
                        i = len(events)
        finally:
            self.leave()
        if i < len(events):
            self.chained = False
            self.put_off(events[i:])
        return 0

    @cython.nonecheck(True)
    cdef int hand_over_one(self, object message) except -1:
        """`hand_over` for a read of one message, which is within every share."""
        PyContext_Enter(self.context)
        self.inside = self.writer.corked = True
        try:
            self.listener.on_message(self.connection, message)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.stopped(stop)
        except BaseException:
            self.failed()
        finally:
            self.leave()
        return 0

    cdef inline int leave(self) except -1:
        self.inside = False
        PyContext_Exit(self.context)
        self.writer.uncork()
        return 0

    def call(self, callback, tuple arguments not None):
        # Within another one it gets a copy of their context, which cannot be entered twice.
        cdef bint outer = self.inside
        context = self.context.copy() if outer else self.context
        PyContext_Enter(context)
        self.inside = True
        try:
            callback(*arguments)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.stopped(stop)
        except BaseException:
            self.failed()
        finally:
            self.inside = outer
            PyContext_Exit(context)
