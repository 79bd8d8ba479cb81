# A listening socket, which a reactor watches: connections are accepted in batches, and their
# protocols are called within the same turn of the loop.

@cython.final
cdef class Acceptor(Source):
    """Accepts connections for protocols that *factory* makes, up to *most* of them in a batch.

    ``failed(errno)`` is called when the system lacks what accepting takes: it has to make room, or
    to stop this for a while. Callbacks of connections run in copies of the current context.
    """

    cdef object loop, factory, failed, context
    cdef readonly Py_ssize_t open  # connections that are not gone
    cdef public object emptied  # a future for when none is left, or None
    cdef int most

    def __cinit__(self):
        self.descriptor = -1

    def __init__(self, Reactor reactor not None, loop, factory, failed, int most):
        self.reactor, self.loop = reactor, loop
        self.factory, self.failed = factory, failed
        self.context = copy_context()
        self.most = most

    def start(self, int descriptor):
        """Accept on *descriptor*, a listening socket that does not wait. Raises OSError."""
        if self.reactor is None:
            raise RuntimeError("an acceptor that was never made")
        if self.descriptor < 0:
            wscore_no_delay(descriptor)
            self.reactor.add(self, descriptor)
            self.reactor.watch(self, WSCORE_READABLE)

    def stop(self):
        """Accept nothing any more, until `start`."""
        if self.descriptor >= 0:
            self.reactor.remove(self)
            self.descriptor = -1

    @property
    def is_accepting(self):
        """Whether connections are accepted."""
        return self.descriptor >= 0

    cdef int ready(self, int kind) except -1:
        cdef wscore_address peer
        cdef int made, i
        for i in range(self.most):
            if self.descriptor < 0:  # somebody has stopped us
                break
            made = wscore_accept(self.descriptor, &peer)
            if made >= 0:
                self.make(made, &peer)
            elif made == -EAGAIN:
                break
            elif not wscore_spoils_one(-made):
                self.failed(-made)
                break
        return 0

    cdef int make(self, int descriptor, wscore_address *peer) except -1:
        """Make a connection of *descriptor*, and tell its protocol."""
        cdef SocketTransport transport
        try:
            transport = SocketTransport.__new__(SocketTransport)
            transport.peer = peer[0]
            transport.take(self.reactor, self.loop, descriptor, PyContext_Copy(self.context))
        except BaseException:
            wscore_close(descriptor)
            raise
        transport.acceptor = self
        self.open += 1
        transport.begin(self.factory)
        return 0

    cdef int ended(self) except -1:
        """One of the connections is gone."""
        emptied = self.emptied
        self.open -= 1
        if not self.open and emptied is not None:
            self.emptied = None
            if not emptied.done():
                emptied.set_result(None)
        return 0
