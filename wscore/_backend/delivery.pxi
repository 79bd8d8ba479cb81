# From the reader to the application: messages wait for a task, or callbacks take them at once.

@cython.final
cdef class Waiter:
    """What the task that waits for a queue sees; see `delivery.Waiter`."""

    cdef public bint _asyncio_future_blocking
    cdef bint spent
    cdef object loop
    cdef object callback, context  # of the task

    def __next__(self):
        # The task gets this once, to wait for it, and goes on when it is called back.
        if not self._asyncio_future_blocking:
            raise StopIteration
        return self

    def get_loop(self):
        return self.loop

    def add_done_callback(self, callback, *, context=None):
        # An empty context is false.
        self.callback, self.context = callback, copy_context() if context is None else context

    def cancel(self, msg=None):
        callback, self.callback = self.callback, None
        if callback is None:
            return False
        self.spent = True
        cancelled = self.loop.create_future()
        cancelled.add_done_callback(callback, context=self.context)
        self.context = None
        return cancelled.cancel(msg)


cdef class MessageQueue:
    """Messages not taken yet, and the task that waits for one; see the twin's `MessageQueue`."""

    cdef public bint direct, eventful
    cdef readonly Py_ssize_t nbytes
    cdef MessageReader reader
    cdef FrameWriter writer
    cdef object loop, done, current_task
    # The next message is the last of `ready`; what came after is in order in `later`, None while
    # there is nothing. A deque would take 760 bytes while it is empty.
    cdef list ready, later
    cdef Waiter waiter

    def __init__(
        self, MessageReader reader not None, FrameWriter writer not None, loop, done, current_task
    ):
        self.reader, self.writer = reader, writer
        self.loop, self.done, self.current_task = loop, done, current_task
        self.ready = []
        self.direct = True

    def before_reading(self):
        raise NotImplementedError

    def receive(self, list events, Py_ssize_t nbytes, bint mixed):
        raise NotImplementedError

    def before_waiting(self):
        raise NotImplementedError

    def gather_answers(self):
        raise NotImplementedError

    @property
    def waiting(self):
        return len(self.ready) + (0 if self.later is None else len(self.later))

    @property
    def awaited(self):
        return self.is_awaited()

    cdef bint is_awaited(self) noexcept:
        return self.waiter is not None and self.waiter.callback is not None

    def updated(self, Py_ssize_t nbytes):
        cdef list events
        if len(self.ready) or self.later is not None:
            self.before_reading()
        events = self.reader.committed(nbytes)
        if self.reader.mixed or not self.direct:
            self.receive(events, nbytes, self.reader.mixed)
        elif len(events):
            self.put(events, nbytes)

    cpdef put(self, list messages, Py_ssize_t nbytes):
        cdef bint several = len(messages) > 1
        if self.later is not None:
            self.later += messages
            self.nbytes += nbytes
        elif len(self.ready):
            self.later = messages
            self.nbytes += nbytes
        else:
            messages.reverse()
            self.ready = messages
            self.nbytes = nbytes
        if not self.may_resume():
            self.wake()
            if several:
                self.gather_answers()
        elif several:
            self.writer.corked = True
            self.resume()
            self.writer.uncork()
        else:
            self.resume()

    cdef bint may_resume(self) except -1:
        # Transports that own a socket read in callbacks of the loop only; asking costs 50 ns.
        return self.is_awaited() and not self.reader.filled and (
            self.writer.fileno is not None or self.current_task(self.loop) is None
        )

    cpdef wake(self):
        if self.is_awaited():
            self.loop.call_soon(self.waiter.callback, self.done, context=self.waiter.context)
            self.waiter.callback = self.waiter = None

    cdef int resume(self) except -1:
        callback, context = self.waiter.callback, self.waiter.context
        PyContext_Enter(context)
        self.waiter.callback = self.waiter.context = None
        try:
            callback(self.done)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.loop.call_soon(raise_again, stop)
        finally:
            PyContext_Exit(context)
        return 0

    cdef bint refill(self) except -1:
        if self.later is None or not len(self.later):
            return False
        self.later.reverse()
        self.ready, self.later = self.later, None
        return True

    def take(self):
        return self.ready.pop() if len(self.ready) or self.refill() else None

    def __await__(self):
        if self.eventful or self.is_awaited():
            self.before_waiting()
        if self.waiter is None or self.waiter.spent:
            self.waiter = Waiter.__new__(Waiter)
            self.waiter.loop = self.loop
        self.waiter._asyncio_future_blocking = True
        return self.waiter


@cython.final
cdef class Dispatcher:
    """Hands messages to a listener; see the twin's `Dispatcher`."""

    cdef MessageReader reader
    cdef FrameWriter writer
    cdef object connection, listener

    def __init__(
        self, MessageReader reader not None, FrameWriter writer not None, connection, listener
    ):
        self.reader, self.writer = reader, writer
        self.connection, self.listener = connection, listener

    def updated(self, Py_ssize_t nbytes):
        self.dispatch(self.reader.committed(nbytes), nbytes, self.reader.mixed)

    cpdef dispatch(self, list events, Py_ssize_t nbytes, bint mixed):
        self.writer.corked = True
        try:
            for event in events:
                if mixed and not isinstance(event, (str, bytes)):
                    self.connection.react(event)
                else:
                    self.listener.on_message(self.connection, event)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.connection.loop.call_soon(raise_again, stop)
        except BaseException:
            self.connection.callback_failed()
        self.writer.uncork()


def raise_again(stop):
    raise stop
