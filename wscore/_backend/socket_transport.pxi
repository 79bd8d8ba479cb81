# A transport of our own for plain sockets, which a reactor watches. It promises what asyncio's does:
# protocols get the same callbacks in the same order. It costs less: readers of ours are read into
# without a view of their memory, and writers of ours call `send` directly.
#
#   reading   paused, eof_read or closing end it; nothing is asked of the system then
#   writing   at once while nothing is held; else behind what is held, when the system takes it
#   the end   `lose`: no event and no write any more; a turn later `connection_lost`, then the
#             descriptor is closed, so that nobody gets its number before
#
# What is held is bytes and views of memory that nobody changes.

cdef enum:
    MOST_READS = 64  # full reads of one socket in a batch


@cython.final
cdef class SocketTransport(Source):
    """A transport of the socket *descriptor*, which belongs to it from here on."""

    cdef Acceptor acceptor  # None for a client
    cdef MessageReader reader  # None if the protocol does not read into one
    cdef TLSRecords records  # who decrypts, None without TLS
    cdef ReadTaker taker  # who takes what the reader has read, if it is one of ours
    cdef object loop, protocol, context, sock
    cdef object get_buffer, updated  # of the protocol; without the first, it takes bytes
    cdef Piece first, last  # of what is held
    cdef Py_ssize_t held_size  # bytes
    cdef Py_ssize_t low, high
    cdef object sockname  # once the descriptor is closed
    cdef object path  # the peer's, of a unix socket
    cdef wscore_address peer
    cdef uint8_t started, paused, eof_read, eof_written, writing_paused, closing, lost, told

    def __cinit__(self):
        self.descriptor = -1

    def __init__(self, Reactor reactor not None, loop, int descriptor):
        if self.descriptor >= 0 or self.lost:
            raise RuntimeError("a transport is made once")
        wscore_no_delay(descriptor)
        wscore_name(descriptor, True, &self.peer)
        self.take(reactor, loop, descriptor, copy_context())

    cdef int take(self, Reactor reactor, object loop, int descriptor, object context) except -1:
        self.loop, self.context = loop, context
        self.high, self.low = 65536, 16384
        if not self.peer.family:
            self.path = path_of(descriptor, True)
        reactor.add(self, descriptor)
        return 0

    def __del__(self):
        """Close what nobody has closed, and is no longer watched: the loop is gone, too."""
        if self.descriptor < 0:
            return
        is_forgotten = not self.lost
        self.close_descriptor()
        if is_forgotten:
            PyErr_ResourceWarning(self, 1, "unclosed transport of wscore")

    def __repr__(self):
        if self.descriptor < 0:
            return "<SocketTransport closed>"
        state = "closing" if self.closing else "reading" if self.is_open_for_reads() else "paused"
        return f"<SocketTransport fd={self.descriptor} {state} unsent={self.held_size}>"

    def start(self, protocol):
        """Tell *protocol* that the connection is made, and read for it.

        An error of its own becomes the end of the connection, and is reported to the loop.
        """
        self.set_protocol(protocol)
        try:
            self.enter_and_call(protocol.connection_made, (self,), "connection_made()")
        finally:
            self.started = True
            self.want()

    cdef int begin(self, factory) except -1:
        """`start` with the protocol that *factory* makes."""
        cdef bint done = False
        context = self.enter()
        try:
            protocol = factory()
            done = True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report(error, "making a protocol failed")
        finally:
            PyContext_Exit(context)
            if not done:
                self.reactor.remove(self)
                self.close_descriptor()
        if done:
            self.start(protocol)
        return 0

    def fileno(self):
        """The descriptor, -1 once it is closed."""
        return self.descriptor

    # The protocol

    def set_protocol(self, protocol):
        """Have *protocol* called from here on."""
        cdef ReadTaker taker
        get_buffer = getattr(protocol, "get_buffer", None)
        if get_buffer is None:
            updated = getattr(protocol, "data_received", None)
        else:
            updated = protocol.buffer_updated
        self.protocol, self.get_buffer, self.updated = protocol, get_buffer, updated
        self.reader = MessageReader.behind(get_buffer)
        self.records = TLSRecords.behind(get_buffer, updated)
        self.taker = taker = None if self.reader is None else ReadTaker.behind(updated)
        if taker is not None and taker.context is not None:
            self.context = taker.context  # a copy of ours: one of them is enough
        elif taker is not None:
            taker.context = self.context

    def get_protocol(self):
        """Who is called; None after the end."""
        return self.protocol

    cdef object enter(self):
        """Enter the context of callbacks; returns the one to be left afterwards."""
        return entered(self.context)

    cdef object enter_and_call(self, callback, tuple arguments, str name):
        """Call the protocol. What it raises ends the connection, or the loop if it is to."""
        context = self.enter()
        try:
            return callback(*arguments)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.fail(error, name)
        finally:
            PyContext_Exit(context)

    cdef int call_or_report(self, callback, str name) except -1:
        """Call the protocol. What it raises is reported, and ends nothing."""
        context = self.enter()
        try:
            callback()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.report(error, f"protocol.{name}() failed")
        finally:
            PyContext_Exit(context)
        return 0

    cdef int report(self, error, str message) except -1:
        self.loop.call_exception_handler({
            "message": message, "exception": error, "transport": self, "protocol": self.protocol,
        })
        return 0

    # Events

    cdef int ready(self, int kind) except -1:
        kind &= self.watched
        if kind & WSCORE_WRITABLE:
            self.send_held()
        if kind & WSCORE_READABLE:
            self.read()
        return 0

    cdef int want(self) except -1:
        """Ask the system for what is wanted now."""
        cdef int wanted = 0
        if self.lost:
            return 0
        if self.is_open_for_reads():
            wanted |= WSCORE_READABLE
        if self.first is not None:
            wanted |= WSCORE_WRITABLE
        try:
            self.reactor.watch(self, wanted)
        except OSError as error:
            self.fail(error, "watching the socket")
        return 0

    # Reading

    cdef inline bint is_open_for_reads(self) noexcept:
        return self.started and not (self.paused or self.eof_read or self.closing)

    def is_reading(self):
        """Whether what comes in is read."""
        return self.is_open_for_reads()

    def pause_reading(self):
        """Read nothing until `resume_reading`."""
        self.paused = True
        self.want()

    def resume_reading(self):
        """Read again."""
        self.paused = False
        self.want()

    cdef int read(self) except -1:
        """Read until little came, or others wait: after some reads or some time they come first."""
        cdef double since = 0
        cdef int reads = 0
        while self.is_open_for_reads() and self.read_once():
            reads += 1
            if since == 0:
                since = monotonic()
            elif reads == MOST_READS or monotonic() - since >= turn_seconds:
                break
        return 0

    cdef inline bint read_once(self) except -1:
        """Read once and hand it on. Returns whether the read filled its memory."""
        if self.reader is not None:
            return self.read_for_reader(self.reader, self.updated)
        try:
            if self.records is not None:
                return read_for_records(self, self.records)
            if self.get_buffer is not None:
                return self.read_for_buffered(self.get_buffer, self.updated)
            return self.read_bytes(self.updated)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.fail(error, "get_buffer()")
        return False

    cdef bint read_for_reader(self, MessageReader reader, object updated) except -1:
        cdef ReadTaker taker = self.taker  # another one may take its place meanwhile
        cdef Py_ssize_t got, size = 0
        cdef uint8_t *into
        try:
            into = reader.place(&size)
            got = wscore_recv(self.descriptor, into, size)
            if got > 0 and taker is not None:
                taker.take_read(got)  # which enters a context by itself
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.fail(error, "buffer_updated()")
            return False
        if got <= 0:
            return self.read_nothing(got)
        if taker is None:
            self.enter_and_call(updated, (got,), "buffer_updated()")
        return got == size

    cdef bint read_for_buffered(self, object get_buffer, object updated) except -1:
        cdef Py_ssize_t got, size
        cdef Span span
        context = self.enter()
        try:
            buffer = get_buffer(-1)
        finally:
            PyContext_Exit(context)
        hold_span(&span, buffer, PyBUF_WRITABLE)
        size = span.size
        got = wscore_recv(self.descriptor, span.data, size) if size else -EAGAIN
        close_span(&span)
        if not size:
            raise RuntimeError("get_buffer() returned an empty buffer")
        if got <= 0:
            return self.read_nothing(got)
        self.enter_and_call(updated, (got,), "buffer_updated()")
        return got == size

    cdef bint read_bytes(self, object updated) except -1:
        cdef bytes memory = self.reactor.buffer.memory
        cdef Py_ssize_t size = PyBytes_GET_SIZE(memory)
        cdef Py_ssize_t got = wscore_recv(self.descriptor, PyBytes_AS_STRING(memory), size)
        if got <= 0:
            return self.read_nothing(got)
        data = PyBytes_FromStringAndSize(PyBytes_AS_STRING(memory), got)
        if updated is not None:
            self.enter_and_call(updated, (data,), "data_received()")
        return got == size

    cdef bint read_nothing(self, Py_ssize_t got) except -1:
        """There is nothing now, or the stream has ended, or failed."""
        if got == 0:
            self.eof_read = True
            self.want()
            # Who does not answer, or fails to, has the connection closed.
            if not self.enter_and_call(self.protocol.eof_received, (), "eof_received()"):
                self.close()
        elif got != -EAGAIN and got != -EINTR:
            self.fail(system_error(-got), "reading")
        return False

    # Writing

    def write(self, data):
        """Send *data*, a bytes-like object, behind what is held. Raises TypeError, RuntimeError."""
        self.send(as_piece(data), 0)

    def writelines(self, list_of_data):
        """Send several pieces as `write` does, by as few system calls as possible."""
        cdef list pieces = []
        cdef bint was_idle
        for data in list_of_data:  # Cython 3.3 drops an item twice if a comprehension has no memory
            piece = as_piece(data)
            pieces.append(piece)
        if not self.may_write():
            return
        was_idle = self.first is None
        for piece in pieces:
            self.hold(piece, 0)
        if was_idle and self.first is not None:
            self.send_held()
        self.fill_up()

    cdef inline bint may_write(self) except -1:
        if self.eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        return not self.closing

    cdef int send(self, object piece, Py_ssize_t start) except -1:
        """Send a piece, which is bytes or a view, from *start* on."""
        cdef Py_ssize_t sent, size
        cdef Span span
        if not self.may_write():
            return 0
        if self.first is None:
            open_span(&span, piece)
            size = span.size - start
            sent = wscore_send(self.descriptor, span.data + start, size) if size > 0 else size
            close_span(&span)
            if sent == size:
                return 0
            if sent > 0:
                start += sent
            elif sent != -EAGAIN and sent != -EINTR:
                self.fail(system_error(-sent), "writing")
                return 0
        self.hold(piece, start)
        self.fill_up()
        return 0

    cdef int hold(self, object data, Py_ssize_t start) except -1:
        """Keep *data* until the system takes it. Runs no other code, which might write."""
        cdef Piece piece
        cdef Py_ssize_t size = len(data)
        if size <= start:
            return 0
        try:
            piece = Piece.__new__(Piece)
        except MemoryError:
            self.lose(None)  # part of what was to be sent may be on its way
            raise
        piece.data, piece.start, piece.size = data, start, size
        if self.first is None:
            self.first = piece
        else:
            self.last.next = piece
        self.last = piece
        self.held_size += size - start
        return 0

    cdef int fill_up(self) except -1:
        """Tell the protocol if too much is held."""
        if self.held_size > self.high and not self.writing_paused and not self.lost:
            self.writing_paused = True
            try:
                self.call_or_report(self.protocol.pause_writing, "pause_writing")
            finally:
                self.want()
        elif self.held_size:
            self.want()
        return 0

    cdef int send_held(self) except -1:
        """Send as much of what is held as the system takes, and tell the protocol if that helps."""
        cdef Py_ssize_t sent = 0 if self.first is None else send_chain(self.descriptor, self.first)
        if sent == -EAGAIN or sent == -EINTR:
            return 0
        if sent < 0:
            self.fail(system_error(-sent), "writing")
            return 0
        self.drop(sent)
        try:
            if self.writing_paused and self.held_size <= self.low:
                self.writing_paused = False
                self.call_or_report(self.protocol.resume_writing, "resume_writing")
        finally:
            self.after_sending()
        return 0

    cdef int after_sending(self) except -1:
        """Do what had to wait for the last of what was held."""
        if self.first is None and self.eof_written and not self.lost:
            wscore_end_writing(self.descriptor)
        if self.first is None and self.closing:
            self.lose(None)
        self.want()
        return 0

    cdef int drop(self, Py_ssize_t sent) except -1:
        """Forget the first *sent* bytes of what is held.

        All of them before any is let go: a finalizer may run the loop, which sends what is held.
        """
        cdef Piece gone = self.first, kept = piece_after(gone, sent)
        self.held_size -= sent
        if kept is None:
            self.last = None
        self.first = kept
        while gone is not kept:  # the chain may be long: from its beginning there is no recursion
            gone = gone.next
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        """Tell the protocol to pause above *high* bytes, and to go on at *low*. Raises ValueError."""
        high, low = write_marks(high, low)
        self.high, self.low = min(high, PY_SSIZE_T_MAX), min(low, PY_SSIZE_T_MAX)
        self.fill_up()

    def get_write_buffer_limits(self):
        """The low and the high mark, in bytes."""
        return self.low, self.high

    def get_write_buffer_size(self):
        """How many bytes are held."""
        return self.held_size

    def can_write_eof(self):
        """True: a socket can end one direction alone."""
        return True

    def write_eof(self):
        """End our side of the stream after what is held. Raises OSError."""
        if self.closing or self.eof_written:
            return
        self.eof_written = True
        cdef int status = wscore_end_writing(self.descriptor) if self.first is None else 0
        if status < 0:
            raise system_error(-status)

    # The end

    def is_closing(self):
        """Whether nothing is read any more: by `close`, or because the connection is lost."""
        return bool(self.closing)

    def close(self):
        """Send what is held, and end the connection."""
        if self.closing:
            return
        if self.first is None:
            self.lose(None)
        else:
            self.closing = True
            self.want()

    def abort(self):
        """End the connection at once; anew if a signal has cost the loop the callback."""
        self.lost = self.lost and (self.told or self.descriptor < 0)
        self.lose(None)

    cdef int fail(self, error, str doing) except -1:
        """End the connection because of *error*, which is reported if it is not of the system."""
        try:
            if not isinstance(error, OSError):
                self.report(error, f"Fatal error: protocol.{doing} failed")
        finally:
            self.lose(error)
        return 0

    cdef int lose(self, error) except -1:
        """Read and write nothing any more; the protocol is told a turn later."""
        cdef bint closing = self.closing
        if self.lost:
            return 0
        self.lost = self.closing = True
        try:
            self.loop.call_soon(self.tell_of_the_end, error, context=self.context.copy())
        except BaseException:
            if not self.loop.is_closed():
                self.lost, self.closing = False, closing  # the wrong thread, in debug mode
                raise
            self.leave()
            self.close_descriptor()
            return 0
        self.leave()
        return 0

    cdef int leave(self) except -1:
        self.reactor.remove(self)
        self.drop(self.held_size)
        return 0

    def tell_of_the_end(self, error):
        """Call the protocol for the last time; the loop calls this."""
        try:
            if not self.lost:  # a signal came while `lose` told the loop
                self.lost = self.closing = True
                self.leave()
            if self.protocol is not None and not self.told:
                self.told = True
                self.protocol.connection_lost(error)
        finally:
            self.close_descriptor()

    cdef int close_descriptor(self) except -1:
        """Give the descriptor back, and let go of everything but what applications may ask for."""
        acceptor, self.acceptor = self.acceptor, None
        if self.descriptor < 0:
            return 0
        self.closing = self.lost = True
        self.drop(self.held_size)
        try:
            self.sockname = self.own_address()
        finally:
            try:
                self.give_back_descriptor()
            finally:
                self.protocol = self.get_buffer = self.updated = None
                self.reader = self.taker = self.records = None
                if acceptor is not None:
                    (<Acceptor>acceptor).ended()
        return 0

    cdef int give_back_descriptor(self) except -1:
        """Close it, unless somebody has: another connection of ours may have the number now."""
        cdef int descriptor = self.descriptor
        cdef bint is_ours = not self.reactor.is_of_another(self)
        if descriptor < 0:  # a finalizer came first
            return 0
        self.descriptor = -1
        if self.sock is not None:
            (self.sock[0].close if is_ours else self.sock[0].detach)()
        elif is_ours:
            wscore_close(descriptor)
        return 0

    # What applications may ask

    def get_extra_info(self, name, default=None):
        """The "socket", "peername" or "sockname"; *default* for any other name."""
        if name == "peername":
            return named(&self.peer) if self.peer.family else self.path
        if name == "sockname":
            return self.own_address()
        if name == "socket":
            if self.sock is None:
                if self.descriptor < 0:
                    return default
                self.keep_socket(self.reactor.wrap_socket(self.descriptor))
            return default if self.sock is None else self.sock[1]
        return default

    cdef int keep_socket(self, tuple made) except -1:
        """Have *made* as our socket, unless there was another or an end while it was made."""
        if self.sock is None and self.descriptor >= 0:
            self.sock = made
        else:
            made[0].detach()  # else it would close the descriptor when it is let go
        return 0

    cdef object own_address(self):
        cdef wscore_address address
        if self.descriptor < 0:
            return self.sockname
        wscore_name(self.descriptor, False, &address)
        return named(&address) if address.family else path_of(self.descriptor, False)
