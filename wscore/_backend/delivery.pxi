# From the reader to tasks: messages wait until they are taken.
# `delivery.py`, the twin, documents what is public.
#
# How a task waits for a queue, and is resumed:
#
#   task: await queue      `Waiter.__next__` yields the waiter. The task takes it for a future and
#                          passes its callback to `add_done_callback`
#   transport: updated     a read has brought messages, `put` makes them ready; then either
#                          - `resume` calls the callback: the task runs within this read, or
#                          - `wake` has the loop call it, a turn later (see `may_resume`)
#   task: await queue      while messages wait: the share of this turn is used up (see `take`), and
#                          the task goes on in the next one
#   task: callback(done)   `done` is a future that has a result; the task needs nothing else
#
#   task.cancel()          `Waiter.cancel` passes the callback to a real future that is cancelled

@cython.final
cdef class Waiter:

    cdef public bint _asyncio_future_blocking  # how asyncio knows a future
    cdef bint spent  # cancelled: its task may cancel it again, so no other task gets it
    cdef object loop
    cdef object callback, context  # of the task

    def __next__(self):
        # The task gets this once, to wait for it, and is resumed by its callback.
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


cdef tuple ONE_TURN = (None,)  # what a task yields that only gives way


cdef class MessageQueue:
    cdef public bint direct, eventful
    cdef readonly Py_ssize_t nbytes
    cdef MessageReader reader
    cdef FrameWriter writer
    cdef object loop, done, current_task
    # `ready` is a stack, `later` a list, None while it is empty; a deque of none is 760 bytes.
    #
    #   take() -> 1      ready: [3, 2, 1]     later: [4, 5]     <- messages of the next read
    cdef list ready, later
    cdef Waiter waiter
    # How many messages may be taken before `taking` is asked again, and whether it has ended.
    cdef Py_ssize_t left
    cdef bint gives_way
    cdef Share taking, reading
    cdef object run_once  # what the loop's class must have, None for anything

    def __init__(
        self, MessageReader reader not None, FrameWriter writer not None, loop, done, current_task,
        run_once=None,
    ):
        self.reader, self.writer = reader, writer
        self.loop, self.done, self.current_task = loop, done, current_task
        self.run_once = run_once
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

    def give_way(self):
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
        cdef bint filled
        if len(self.ready) or self.later is not None:
            self.before_reading()
        events = self.reader.committed(nbytes)
        filled = self.reader.filled
        if self.reader.mixed or not self.direct:
            self.receive(events, nbytes, self.reader.mixed)
        elif len(events):
            self.put(events, nbytes)
        if not filled:
            self.reading.since = 0
        elif is_used_up(&self.reading):
            self.give_way()

    cpdef put(self, list messages, Py_ssize_t nbytes):
        cdef bint several = len(messages) > 1
        self.enqueue(messages, nbytes)
        if not self.may_resume():
            self.wake()
            if several:
                self.gather_answers()
        elif several:
            self.writer.corked = True
            try:
                self.resume()
            finally:
                self.writer.uncork()
        else:
            self.resume()

    cdef int enqueue(self, list messages, Py_ssize_t nbytes) except -1:
        if self.later is not None:
            self.later += messages
        elif len(self.ready):
            self.later = messages
        else:
            begin_share(&self.taking, len(messages))
            self.left = 0
            messages.reverse()
            self.ready = messages
            self.nbytes = 0
        self.nbytes += nbytes
        return 0

    cdef bint may_resume(self) except -1:
        """Whether the task may be resumed within this read.

        Not after a read that filled its memory, because the transport may read on at once and
        others would have to wait; nor inside another task; nor on a loop that may be run within
        itself. Transports that own a socket read in callbacks of the loop only, where no task
        runs: not to ask saves 50 ns.
        """
        if not self.is_awaited() or self.reader.filled:
            return False
        if self.run_once is not None and type(self.loop)._run_once is not self.run_once:
            return False
        return self.writer.fileno is not None or self.current_task(self.loop) is None

    cpdef wake(self):
        cdef Waiter waiter = self.waiter
        if self.is_awaited():
            # First, because a signal handler may wake the task again within `call_soon`.
            callback, waiter.callback, self.waiter = waiter.callback, None, None
            try:
                self.loop.call_soon(callback, self.done, context=waiter.context)
            except BaseException:
                waiter.callback, self.waiter = callback, waiter
                raise

    cdef int resume(self) except -1:
        cdef Waiter waiter = self.waiter
        if not self.is_awaited():
            return 0
        callback, context = waiter.callback, waiter.context
        try:
            PyContext_Enter(context)
        except RuntimeError:  # it is entered already: the read was made within it
            self.wake()
            return 0
        waiter.callback = waiter.context = None
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
        if not len(self.ready) and not self.refill():
            return None
        if not self.left:
            self.left = next_stride(&self.taking)
            if not self.left:
                self.gives_way = True
                return None
        self.left -= 1
        return self.ready.pop()

    def __await__(self):
        if self.gives_way:
            self.gives_way = False
            return iter(ONE_TURN)
        if self.eventful or self.is_awaited():
            self.before_waiting()
        if self.waiter is None or self.waiter.spent:
            self.waiter = Waiter.__new__(Waiter)
            self.waiter.loop = self.loop
        self.waiter._asyncio_future_blocking = True
        return self.waiter


cdef class BaseConnection:
    cdef readonly FrameWriter _writer

    def __init__(self, FrameWriter writer not None):
        self._writer = writer

    @cython.nonecheck(True)
    def write(self, message, text=None, compress=None):
        return self._writer.send(message, text, compress)

    @cython.nonecheck(True)
    def _write_whole(self, message, text=None, compress=None):
        cdef FrameWriter writer = self._writer
        if writer.reserved or not is_whole(message) or (
            writer.codec is not None
            and PyUnicode_CheckExact(message) and PyUnicode_GET_LENGTH(message) > LARGE_MESSAGE
        ):
            return None
        writer.send(message, text, compress)
        return writer.writable and not writer.crowded


cdef Py_ssize_t LARGE_MESSAGE = LARGE


cdef inline bint is_whole(object message) noexcept:
    return (
        PyUnicode_CheckExact(message) or PyBytes_CheckExact(message)
        or PyByteArray_CheckExact(message) or PyMemoryView_Check(message)
    )


def raise_again(stop):
    raise stop
