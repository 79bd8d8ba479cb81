# What `recv`, `async for`, `send` and `drain` of a connection return: coroutines made in C.
#
#   message = await ws.recv()
#                   `CoroutineMethod` takes a `MethodCoroutine` from a pool; nothing runs yet
#             `advance` returns a message that is here: no Python code has run. If none is, it
#             yields the waiter of the queue, and tries again when the task is resumed
#
# What takes several steps (fragments, a peer that does not keep up) is left to coroutines of
# Python, which from then on get what is sent and thrown.
#
# These behave as coroutines do, with two exceptions: there is no frame to look at, and no record of
# where they were created (`cr_origin`). Both would cost 100 ns each time.

cdef extern from *:
    """
    static PyObject *wscore_next(PyObject *self) {
        PyObject *result = NULL;
        PySendResult sent = Py_TYPE(self)->tp_as_async->am_send(self, Py_None, &result);
        if (sent == PYGEN_RETURN) {
            /* Without an exception this is a StopIteration of None. */
            if (result != Py_None) PyErr_SetObject(PyExc_StopIteration, result);
            Py_CLEAR(result);
        }
        return result;
    }

    static destructor wscore_free_coroutine;

    /* The slots that Cython has no special methods for. */
    static void wscore_complete_coroutine(PyObject *made, sendfunc send, destructor dealloc) {
        PyTypeObject *type = (PyTypeObject *)made;
        type->tp_as_async->am_send = send;
        type->tp_iternext = wscore_next;
        wscore_free_coroutine = type->tp_dealloc;
        type->tp_dealloc = dealloc;
        PyType_Modified(type);
    }

    static void wscore_complete_method(PyObject *made, Py_ssize_t vectorcall_offset) {
        ((PyTypeObject *)made)->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
        wscore_make_callable(made, vectorcall_offset);
    }

    /* Have subclasses take over the slot of `__anext__`. As Cython describes the method they look
       for it each time. *like* is such a method as CPython describes it. */
    static int wscore_complete_connection(PyObject *made, PyObject *like) {
        PyTypeObject *type = (PyTypeObject *)made;
        struct wrapperbase *base = ((PyWrapperDescrObject *)like)->d_base;
        PyObject *method = PyDescr_NewWrapper(type, base, (void *)type->tp_as_async->am_anext);
        int failed = method == NULL || PyDict_SetItemString(type->tp_dict, "__anext__", method);
        Py_XDECREF(method);
        PyType_Modified(type);
        return failed ? -1 : 0;
    }

    static int wscore_has_weakrefs(PyObject *self) {
        return *(PyObject **)((char *)self + Py_TYPE(self)->tp_weaklistoffset) != NULL;
    }

    /* Whether a generator runs that may iterate over coroutines: one of `types.coroutine`. */
    static int wscore_caller_may_iterate(void) {
        PyFrameObject *frame = PyEval_GetFrame();
        PyCodeObject *code;
        int flags;
        if (frame == NULL) return 0;
        code = PyFrame_GetCode(frame);
        flags = code->co_flags;
        Py_DECREF(code);
        return (flags & CO_ITERABLE_COROUTINE) != 0;
    }
    """
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(object, object, PyObject **) except PYGEN_ERROR
    ctypedef void (*destructor)(PyObject *) noexcept
    destructor wscore_free_coroutine
    void wscore_complete_coroutine(object type, sendfunc send, destructor dealloc)
    void wscore_complete_method(object type, Py_ssize_t vectorcall_offset)
    int wscore_complete_connection(object type, object like) except -1
    bint wscore_caller_may_iterate()

    PySendResult PyIter_Send(object, object, PyObject **) except PYGEN_ERROR
    object PyObject_Vectorcall(object, PyObject *const *, size_t, PyObject *)
    object PyMethod_New(object, object)
    void PyObject_Init(PyObject *, PyTypeObject *)
    bint wscore_has_weakrefs(PyObject *)
    void PyObject_ClearWeakRefs(PyObject *)
    void PyObject_GC_Track(void *)
    void PyObject_GC_UnTrack(void *)
    void Py_SET_REFCNT(PyObject *, Py_ssize_t)
    Py_ssize_t Py_REFCNT(PyObject *)


cdef enum Method:
    RECV
    ANEXT
    SEND
    DRAIN

cdef tuple METHODS = ("recv", "__anext__", "send", "drain")

cdef enum Progress:
    OVER  # 0, so that an instance that nobody has filled does nothing
    CREATED
    SUSPENDED
    RUNNING

cdef tuple STATES = ("CORO_CLOSED", "CORO_CREATED", "CORO_SUSPENDED", "CORO_RUNNING")


@cython.final
cdef class MethodCoroutine:
    cdef object __weakref__
    cdef object source  # the connection; of `recv` that has waited, the queue; None at the end
    cdef object awaited  # a `Waiter` of the queue, or a coroutine that does the rest
    cdef object first, second, third  # arguments: decode; message, text and compress
    cdef uint8_t method, progress, iterable

    # As coroutines have it

    @property
    def __class__(self):
        # For `inspect.iscoroutine`, by which libraries decide whether to await what they got.
        return CoroutineType

    @property
    def __name__(self):
        return METHODS[self.method]

    @property
    def __qualname__(self):
        return "Connection." + METHODS[self.method]

    def __repr__(self):
        return f"<coroutine object {self.__qualname__} at {<size_t><PyObject *>self:#x}>"

    @property
    def cr_running(self):
        return self.progress == RUNNING

    @property
    def cr_suspended(self):
        return self.progress == SUSPENDED

    @property
    def cr_state(self):
        # What `inspect.getcoroutinestate` asks for in Python 3.15.
        return STATES[self.progress]

    @property
    def cr_await(self):
        return self.awaited

    @property
    def cr_frame(self):
        return None

    def __await__(self):
        self.iterable = True
        return self  # also to `anext(ws, default)`, which asks again at every step

    def __iter__(self):
        # `for message in ws.recv()` is a mistake, `yield from ws.recv().__await__()` is none.
        if not (self.iterable or wscore_caller_may_iterate()):
            raise TypeError("'coroutine' object is not iterable")
        return self

    def __next__(self):
        return self.send(None)  # what `__next__` calls; the slot is `wscore_next`

    def send(self, value, /):
        cdef PyObject *raw = NULL
        cdef PySendResult sent = advance(self, value, &raw)
        result = <object>raw
        Py_DECREF(result)
        if sent == PYGEN_RETURN:
            raise StopIteration(result)
        return result

    def throw(self, kind, value=None, traceback=None, /):
        error = exception_of(kind, value, traceback)
        self.check(None)
        self.progress = RUNNING
        try:
            has_returned, result = self.throw_on(error)
        except BaseException as raised:
            self.finish()
            if self.method == ANEXT and isinstance(raised, ConnectionClosedOK):
                raise StopAsyncIteration from None
            raise
        if has_returned:
            self.finish()
            raise StopIteration(result)
        self.progress = SUSPENDED
        return result

    def close(self):
        if self.progress == RUNNING:
            raise ValueError("coroutine already executing")
        delegate = self.delegate()
        self.progress = RUNNING
        try:
            if delegate is not None:
                delegate.close()
        finally:
            self.finish()

    # Steps

    cdef int check(self, object value) except -1:
        """Raise what a coroutine raises that cannot go on."""
        if self.progress == RUNNING:
            raise ValueError("coroutine already executing")
        if self.source is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if value is not None and self.progress == CREATED:
            raise TypeError("can't send non-None value to a just-started coroutine")
        return 0

    cdef inline bint is_waiting(self) noexcept:
        """Whether somebody awaits this who was not resumed."""
        return type(self.awaited) is Waiter and (<Waiter>self.awaited).callback is not None

    cdef object delegate(self):
        """The coroutine that does the rest, if there is one."""
        return None if type(self.awaited) is Waiter else self.awaited

    cdef inline PySendResult step(self, bint begins, object value, PyObject **result) except PYGEN_ERROR:
        """Go on until there is a result, or something to yield."""
        cdef BaseConnection connection
        cdef MessageQueue queue
        if not begins:
            if self.delegate() is not None:
                return self.send_on(value, result)
            return self.receive(<MessageQueue>self.source, result)
        connection = <BaseConnection>self.source
        if self.method == SEND:
            return self.write(connection, result)
        if self.method == DRAIN:
            return self.drain(connection, result)
        queue = connection._queue
        if queue is None:
            queue = connection._open_queue()
        return self.receive(queue, result)

    cdef PySendResult receive(self, MessageQueue queue, PyObject **result) except PYGEN_ERROR:
        message = queue.next_message()
        if message is None:
            self.source, self.awaited = queue, queue.begin_to_wait()
            return give(self.awaited, PYGEN_NEXT, result)
        if not (PyUnicode_CheckExact(message) or PyBytes_CheckExact(message)):
            return self.go_on_with(queue.join(message), result)
        return give(self.as_asked(message, self.first), PYGEN_RETURN, result)

    cdef inline PySendResult write(
        self, BaseConnection connection, PyObject **result
    ) except PYGEN_ERROR:
        cdef int written = try_write(connection, self.first, self.second, self.third)
        if written == WRITTEN:
            return give(None, PYGEN_RETURN, result)
        if written < 0:
            if not PyErr_ExceptionMatches(SendQueueFull):
                return PYGEN_ERROR
            PyErr_Clear()
            written = UNWRITTEN
        rest = connection._sender.finish(
            self.first, self.second, self.third, written != UNWRITTEN
        )
        return self.go_on_with(rest, result)

    cdef PySendResult drain(
        self, BaseConnection connection, PyObject **result
    ) except PYGEN_ERROR:
        if connection._writer.writable and connection._writer.accepting:
            return give(None, PYGEN_RETURN, result)
        return self.go_on_with(connection._sender.drain(), result)

    cdef PySendResult go_on_with(self, object delegate, PyObject **result) except PYGEN_ERROR:
        self.awaited = delegate
        return self.send_on(None, result)

    cdef PySendResult send_on(self, object value, PyObject **result) except PYGEN_ERROR:
        cdef PySendResult sent = PyIter_Send(self.awaited, value, result)
        if sent == PYGEN_RETURN and self.method == RECV:
            message = <object>result[0]
            Py_DECREF(message)
            return give(self.as_asked(message, self.first), PYGEN_RETURN, result)
        return sent

    cdef tuple throw_on(self, object error):
        """Whether this has returned, and the result, or what is to be yielded."""
        delegate = self.delegate()
        if delegate is not None and not isinstance(error, GeneratorExit):
            try:
                return False, delegate.throw(error)
            except StopIteration as stop:
                return True, self.as_asked(stop.value, self.first)
        if delegate is not None:
            delegate.close()
        if isinstance(error, StopIteration):
            raise RuntimeError("coroutine raised StopIteration") from error
        raise error

    cdef object as_asked(self, object message, object decode):
        return message if decode is None or self.method != RECV else decoded(message, decode)

    # The end

    cdef PySendResult failed(self) except PYGEN_ERROR:
        """End with the exception that is set, or with the one that ends a loop."""
        cdef PyObject *kind
        cdef PyObject *error
        cdef PyObject *traceback
        if self.method == ANEXT and PyErr_ExceptionMatches(ConnectionClosedOK):
            PyErr_Clear()
            PyErr_SetNone(StopAsyncIteration)
        PyErr_Fetch(&kind, &error, &traceback)
        self.finish()
        PyErr_Restore(kind, error, traceback)
        return PYGEN_ERROR

    cdef int finish(self) noexcept:
        """Let go of everything: others may keep the coroutine."""
        self.progress = OVER
        self.source = None
        # To look costs less than to set.
        if self.awaited is not None:
            self.awaited = None
        if self.first is not None:
            self.first = None
        if self.second is not None:
            self.second = None
        if self.third is not None:
            self.third = None
        return 0


cdef inline PySendResult give(object value, PySendResult sent, PyObject **result) noexcept:
    Py_INCREF(value)
    result[0] = <PyObject *>value
    return sent


cdef PySendResult step(
    MethodCoroutine self, bint begins, object value, PyObject **result
) except PYGEN_ERROR:
    return self.step(begins, value, result)


cdef int write_whole(
    BaseConnection connection, object message, object text, object compress
) except UNKNOWN:
    return connection.write_whole(message, text, compress)


# The same, with an exception left to the caller: a `try` costs 4 ns.
cdef int (*try_write)(BaseConnection, object, object, object) noexcept
try_write = <int (*)(BaseConnection, object, object, object) noexcept>write_whole
cdef PySendResult (*try_step)(MethodCoroutine, bint, object, PyObject **) noexcept
try_step = <PySendResult (*)(MethodCoroutine, bint, object, PyObject **) noexcept>step


cdef PySendResult advance(object coroutine, object value, PyObject **result) except PYGEN_ERROR:
    """The slot `am_send`."""
    cdef MethodCoroutine self = <MethodCoroutine>coroutine
    cdef bint begins = self.progress == CREATED
    cdef PySendResult sent
    self.check(value)
    if self.is_waiting():
        raise RuntimeError("coroutine is being awaited already")
    self.progress = RUNNING
    sent = try_step(self, begins, value, result)
    if sent == PYGEN_NEXT:
        self.progress = SUSPENDED
    elif sent == PYGEN_RETURN:
        self.finish()
    else:
        self.failed()
    return sent


cdef object exception_of(object kind, object value, object traceback):
    """The exception that the arguments of `throw` mean."""
    if isinstance(kind, type) and issubclass(kind, BaseException):
        if isinstance(value, kind):
            error = value
        elif isinstance(value, tuple):
            error = kind(*value)
        else:
            error = kind() if value is None else kind(value)
    elif isinstance(kind, BaseException):
        if value is not None:
            raise TypeError("instance exception may not have a separate value")
        error = kind
    else:
        raise TypeError(
            "exceptions must be classes or instances deriving from BaseException,"
            f" not {type(kind).__name__}"
        )
    return error if traceback is None else error.with_traceback(traceback)


# The pool: coroutines that are over and that nobody has, for the next calls. They stay what they
# are to the garbage collector, which is what makes them cheap; the reference is ours.

cdef enum: POOLED = 32
cdef PyObject *pool[POOLED]
cdef int pool_count = 0


cdef MethodCoroutine new_coroutine(object connection, Method method):
    global pool_count
    cdef MethodCoroutine made = None
    if pool_count:
        pool_count -= 1
        made = <MethodCoroutine>pool[pool_count]
        Py_DECREF(made)
        if Py_REFCNT(<PyObject *>made) > 1:  # somebody has it from `gc.get_objects`
            made = None
        else:
            PyObject_Init(<PyObject *>made, <PyTypeObject *>MethodCoroutine)  # for tracemalloc
    if made is None:
        made = MethodCoroutine.__new__(MethodCoroutine)
    made.source = connection
    made.method = method
    made.progress = CREATED
    made.iterable = False
    return made


cdef void dealloc(PyObject *self) noexcept:
    """The slot `tp_dealloc`: nobody has a reference to *self*, unless what runs here takes one."""
    global pool_count
    if (<MethodCoroutine>self).progress != OVER and is_kept(self):
        return
    if wscore_has_weakrefs(self):
        PyObject_GC_UnTrack(self)  # `gc.get_objects` must not find it meanwhile
        PyObject_ClearWeakRefs(self)
        PyObject_GC_Track(self)
    if pool_count == POOLED:
        wscore_free_coroutine(self)
        return
    Py_SET_REFCNT(self, 1)
    pool[pool_count] = self
    pool_count += 1


cdef bint is_kept(PyObject *self) noexcept:
    """Let go of everything; whether somebody has taken a reference meanwhile."""
    cdef PyObject *kind
    cdef PyObject *error
    cdef PyObject *traceback
    Py_SET_REFCNT(self, 1)
    PyErr_Fetch(&kind, &error, &traceback)
    abandon(<MethodCoroutine>self)
    PyErr_Restore(kind, error, traceback)
    Py_SET_REFCNT(self, Py_REFCNT(self) - 1)
    return Py_REFCNT(self) > 0


cdef int abandon(MethodCoroutine self) noexcept:
    """What the finalizer of a coroutine does."""
    cdef bint never_awaited = self.progress == CREATED
    self.finish()
    if never_awaited:
        try:
            warn(f"coroutine '{self.__qualname__}' was never awaited", RuntimeWarning, source=self)
        except BaseException as error:
            PyErr_SetObject(type(error), error)
            PyErr_WriteUnraisable(self)
    return 0


# The methods

@cython.final
cdef class CoroutineMethod:
    """`recv`, `send` or `drain` in the namespace of a class."""

    cdef vectorcallfunc vectorcall
    cdef readonly object __wrapped__  # the coroutine function
    cdef tuple names  # of its parameters
    cdef Py_ssize_t required, most  # arguments; others are None by default
    cdef Method method

    def __init__(self, function):
        code = function.__code__
        self.__wrapped__ = function
        self.method = <Method>METHODS.index(function.__name__)
        self.names = code.co_varnames[1 : code.co_argcount]
        self.most = len(self.names)
        self.required = self.most - len(function.__defaults__ or ())
        self.vectorcall = call_method

    def __get__(self, instance, owner):
        return self if instance is None else PyMethod_New(self, instance)

    def __call__(self, *args, **kwargs):
        return PyVectorcall_Call(self, args, kwargs)

    def __getattr__(self, name):
        # What is asked of functions, above all the code, whose flags tell coroutine functions.
        return getattr(self.__wrapped__, name)

    @property
    def __class__(self):
        # For `inspect` and `unittest.mock`.
        return FunctionType

    @property
    def __doc__(self):
        return self.__wrapped__.__doc__

    @property
    def __module__(self):
        return self.__wrapped__.__module__

    def __repr__(self):
        return repr(self.__wrapped__)

    def __reduce__(self):
        return self.__wrapped__.__qualname__

    cdef Py_ssize_t parameter(self, object name) except -2:
        """The place of a parameter, -1 if there is none."""
        cdef Py_ssize_t i
        for i in range(len(self.names)):
            if name == self.names[i]:
                return i
        return -1


cdef object call_method(object called, PyObject *const *args, size_t nargsf, PyObject *keywords):
    cdef CoroutineMethod self = <CoroutineMethod>called
    cdef Py_ssize_t count = PyVectorcall_NARGS(nargsf) - 1
    cdef MethodCoroutine made
    if count < 0 or count > self.most or not isinstance(<object>args[0], BaseConnection):
        return PyObject_Vectorcall(self.__wrapped__, args, nargsf, keywords)
    if keywords != NULL or count < self.required:
        return call_with_keywords(self, args, nargsf, keywords)
    made = new_coroutine(<object>args[0], self.method)
    if count > 0:
        made.first = <object>args[1]
    if count > 1:
        made.second = <object>args[2]
    if count > 2:
        made.third = <object>args[3]
    return made


cdef object call_with_keywords(
    CoroutineMethod self, PyObject *const *args, size_t nargsf, PyObject *keywords
):
    cdef PyObject *given[4]
    cdef Py_ssize_t i, place, count = PyVectorcall_NARGS(nargsf)
    cdef tuple names = () if keywords == NULL else <tuple>keywords
    for i in range(4):
        given[i] = args[i] if i < count else NULL
    for i in range(len(names)):
        place = 1 + self.parameter(names[i])
        if place == 0 or given[place] != NULL:
            return PyObject_Vectorcall(self.__wrapped__, args, nargsf, keywords)
        given[place] = args[count + i]
    for i in range(self.required):
        if given[1 + i] == NULL:
            return PyObject_Vectorcall(self.__wrapped__, args, nargsf, keywords)
    for i in range(4):
        if given[i] == NULL:
            given[i] = <PyObject *>None
    return call_method(self, given, 1 + self.most, NULL)


cdef int complete_types() except -1:
    cdef CoroutineMethod method = CoroutineMethod.__new__(CoroutineMethod)
    wscore_complete_coroutine(MethodCoroutine, advance, dealloc)
    wscore_complete_connection(BaseConnection, AsyncGeneratorType.__anext__)
    wscore_complete_method(
        CoroutineMethod, <char *>&method.vectorcall - <char *><PyObject *>method
    )
    return 0


complete_types()


def coroutine_method(function):
    if function.__name__ not in ("recv", "send", "drain"):
        raise ValueError(f"{function.__name__} is not made in C")
    return CoroutineMethod(function)
