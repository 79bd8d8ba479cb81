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

cdef extern from *:
    """
    static void wscore_make_callable(PyObject *made, Py_ssize_t vectorcall_offset) {
        PyTypeObject *type = (PyTypeObject *)made;
        type->tp_vectorcall_offset = vectorcall_offset;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(type);
    }
    """
    ctypedef object (*vectorcallfunc)(object, PyObject *const *, size_t, PyObject *)
    void wscore_make_callable(object type, Py_ssize_t vectorcall_offset)
    Py_ssize_t PyVectorcall_NARGS(size_t)
    object PyVectorcall_Call(object, tuple, dict)
    object PyObject_CallOneArg(object, object)


@cython.final
cdef class Waiter:
    # Each time that a task waits, asyncio gets three attributes, sets one, and calls two methods.
    # To look for them, and to make and free bound methods, would be a fifth of a lone message's
    # time. So names are told by their address first, and the waiter is both methods itself.

    cdef vectorcallfunc vectorcall
    cdef public bint _asyncio_future_blocking  # how asyncio knows a future
    cdef bint spent  # cancelled: its task may cancel it again, so no other task gets it
    cdef object loop
    cdef object callback, context  # of the task

    def __cinit__(self):
        self.vectorcall = call_waiter

    def __getattribute__(self, name):
        if name is "_asyncio_future_blocking":
            return self._asyncio_future_blocking
        if name is "get_loop" or name is "add_done_callback":
            return self
        return PyObject_GenericGetAttr(self, name)

    def __setattr__(self, name, value):
        if name is "_asyncio_future_blocking":
            self._asyncio_future_blocking = value
        else:
            PyObject_GenericSetAttr(self, name, value)

    def __call__(self, *args, **kwargs):
        return PyVectorcall_Call(self, args, kwargs)

    def get_loop(self):
        return self.loop

    def add_done_callback(self, callback, *, context=None):
        self.wait_by(callback, context)

    cdef int wait_by(self, object callback, object context) except -1:
        # An empty context is false.
        self.callback, self.context = callback, copy_context() if context is None else context
        return 0

    def __next__(self):
        # The task gets this once, to wait for it, and is resumed by its callback.
        if not self._asyncio_future_blocking:
            raise StopIteration
        return self

    def cancel(self, msg=None):
        callback, self.callback = self.callback, None
        if callback is None:
            return False
        self.spent = True
        cancelled = self.loop.create_future()
        cancelled.add_done_callback(callback, context=self.context)
        self.context = None
        return cancelled.cancel(msg)


cdef object call_waiter(object called, PyObject *const *args, size_t nargsf, PyObject *keywords):
    """`get_loop` and `add_done_callback`, as asyncio calls them."""
    cdef Waiter self = <Waiter>called
    cdef Py_ssize_t count = PyVectorcall_NARGS(nargsf)
    if count == 1 and keywords != NULL and is_only_context(<tuple>keywords):
        self.wait_by(<object>args[0], <object>args[1])
    elif keywords != NULL and len(<tuple>keywords) or count > 1:
        raise TypeError("add_done_callback() takes a callback and its context")
    elif not count:
        return self.loop
    else:
        self.wait_by(<object>args[0], None)
    return None


cdef inline bint is_only_context(tuple names) except -1:
    return len(names) == 1 and (names[0] is "context" or names[0] == "context")


cdef int complete_waiter() except -1:
    cdef Waiter waiter = Waiter.__new__(Waiter)
    wscore_make_callable(Waiter, <char *>&waiter.vectorcall - <char *><PyObject *>waiter)
    return 0


complete_waiter()

cdef tuple ONE_TURN = (None,)  # what a task yields that only gives way


cdef class ReadTaker:
    """Takes what a `MessageReader` has read; our own transport calls it without a detour."""

    cdef object context  # of the callbacks of our own transport, which does not enter it for us

    cdef int take_read(self, Py_ssize_t nbytes) except -1:
        raise NotImplementedError

    @staticmethod
    cdef ReadTaker behind(updated):
        """Whose `updated` it is; None if it is another method, or of a class made from this."""
        owner = getattr(updated, "__self__", None)
        is_ours = isinstance(owner, ReadTaker) and type(updated) is type(len)
        return <ReadTaker>owner if is_ours else None


cdef class MessageQueue(ReadTaker):
    cdef public bint direct, eventful
    cdef readonly Py_ssize_t nbytes
    cdef MessageReader reader
    cdef FrameWriter writer
    cdef object loop, done, current_task
    # `ready` is a stack, `later` a list, None while empty; a deque of none is 760 bytes.
    #
    #   take() -> 1      ready: [3, 2, 1]     later: [4, 5]     <- messages of the next read
    # A lone message needs no list.
    cdef object ready
    cdef list later
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

    def join(self, part, /):
        raise NotImplementedError

    @property
    def waiting(self):
        cdef Py_ssize_t later = 0 if self.later is None else len(self.later)
        if type(self.ready) is list:
            return len(<list>self.ready) + later
        return (self.ready is not None) + later

    @property
    def awaited(self):
        return self.is_awaited()

    cdef bint is_awaited(self) noexcept:
        return self.waiter is not None and self.waiter.callback is not None

    def updated(self, Py_ssize_t nbytes):
        self.take_read(nbytes)

    @cython.nonecheck(True)
    cdef int take_read(self, Py_ssize_t nbytes) except -1:
        cdef list events
        cdef bint filled
        if self.ready is not None or self.later is not None:
            self.before_reading()
        if self.direct:
            message = self.reader.lone_message(nbytes)
            if message is not None:
                self.reading.since = 0
                return self.put_lone(message, nbytes)
        events = self.reader.committed(nbytes)
        filled = self.reader.filled
        if self.reader.mixed or not self.direct:
            self.receive_in_context(events, nbytes, self.reader.mixed)
        elif len(events):
            self.put(events, nbytes)
        if not filled:
            self.reading.since = 0
        elif is_used_up(&self.reading):
            self.give_way()
        return 0

    cdef int receive_in_context(self, list events, Py_ssize_t nbytes, bint mixed) except -1:
        if self.context is None:
            self.receive(events, nbytes, mixed)
            return 0
        context = entered(self.context)
        try:
            self.receive(events, nbytes, mixed)
        finally:
            PyContext_Exit(context)
        return 0

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

    cdef int put_lone(self, object message, Py_ssize_t nbytes) except -1:
        """`put` for a read of one message."""
        if self.ready is not None or self.later is not None:
            self.put([message], nbytes)
            return 0
        begin_share(&self.taking, 1)
        self.left = 0
        self.ready, self.nbytes = message, nbytes
        if self.may_resume():
            self.resume()
        else:
            self.wake()
        return 0

    cdef int enqueue(self, list messages, Py_ssize_t nbytes) except -1:
        if self.later is not None:
            self.later += messages
        elif self.ready is not None:
            self.later = messages
        else:
            begin_share(&self.taking, len(messages))
            self.left = 0
            messages.reverse()
            self.ready = messages if len(messages) else None
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
        return self.writer.has_socket() or self.current_task(self.loop) is None

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
            PyObject_CallOneArg(callback, self.done)
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
        return self.next_message()

    cdef inline object next_message(self):
        if self.ready is None and not self.refill():
            return None
        if not self.left:
            self.left = next_stride(&self.taking)
            if not self.left:
                self.gives_way = True
                return None
        self.left -= 1
        ready = self.ready
        if type(ready) is not list:
            self.ready = None
            return ready
        if len(<list>ready) > 1:
            return (<list>ready).pop()
        self.ready = None  # to let go of the list costs no more than to pop what is last
        return (<list>ready)[0]

    def __await__(self):
        waited_for = self.begin_to_wait()
        return iter(ONE_TURN) if waited_for is None else waited_for

    cdef Waiter begin_to_wait(self):
        """What the task is to yield: its waiter, or None if it only gives way."""
        if self.gives_way:
            self.gives_way = False
            return None
        if self.eventful or self.is_awaited():
            self.before_waiting()
        if self.waiter is None or self.waiter.spent:
            self.waiter = Waiter.__new__(Waiter)
            self.waiter.loop = self.loop
        self.waiter._asyncio_future_blocking = True
        return self.waiter


cdef object entered(object context):
    """Enter *context*, or a copy of it, and return that; it is to be left afterwards."""
    try:
        PyContext_Enter(context)
    except RuntimeError:  # it is entered: the loop is run within a callback
        context = context.copy()
        PyContext_Enter(context)
    return context


cdef enum Written:
    UNKNOWN = -1  # there was an exception
    UNWRITTEN
    WRITTEN_FOR_NOW  # others should have a turn
    WRITTEN


cdef class BaseConnection:
    cdef readonly FrameWriter _writer
    cdef public MessageQueue _queue

    def __init__(self, FrameWriter writer not None):
        self._writer = writer

    def _open_queue(self):
        raise NotImplementedError

    def __anext__(self):
        return new_coroutine(self, ANEXT)

    @cython.nonecheck(True)
    def write(self, message, text=None, compress=None):
        return self._writer.send(message, text, compress)

    def _write_whole(self, message, text=None, compress=None):
        cdef int written = self.write_whole(message, text, compress)
        return None if written == UNWRITTEN else written == WRITTEN

    @cython.nonecheck(True)
    cdef int write_whole(self, object message, object text, object compress) except UNKNOWN:
        cdef FrameWriter writer = self._writer
        if writer.reserved or not is_whole(message) or (
            writer.codec is not None
            and PyUnicode_CheckExact(message) and PyUnicode_GET_LENGTH(message) > LARGE_MESSAGE
        ):
            return UNWRITTEN
        writer.send(message, text, compress)
        return WRITTEN if writer.writable and not writer.crowded else WRITTEN_FOR_NOW


cdef Py_ssize_t LARGE_MESSAGE = LARGE


cdef inline bint is_whole(object message) noexcept:
    return (
        PyUnicode_CheckExact(message) or PyBytes_CheckExact(message)
        or PyByteArray_CheckExact(message) or PyMemoryView_Check(message)
    )


def raise_again(stop):
    raise stop
