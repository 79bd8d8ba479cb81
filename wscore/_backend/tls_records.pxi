# What each read and each write of TLS takes. `tls_records.py`, the twin, documents what is public.

cdef enum:
    # `ssl.SSL_ERROR_WANT_READ` and `ssl.SSL_ERROR_ZERO_RETURN`, as errno of an SSLWantReadError, and
    # of the SSLZeroReturnError that takes the place of an empty read once we have ended our stream.
    WANT_READ = 2
    ZERO_RETURN = 6
    MOST_DELIVERIES = 16  # calls of the protocol above before the owner looks at what they led to
cdef Py_ssize_t tls_piece = TLS_PIECE, tls_plaintext = TLS_PLAINTEXT, tls_records = TLS_RECORDS
cdef Py_ssize_t tls_at_once = TLS_AT_ONCE


@cython.final
@cython.no_gc
cdef class Window:
    """Memory that its user holds, for functions that take a buffer: a view would cost more."""

    cdef uint8_t *data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, False, flags)


# One does for all: functions in C look where it is before any other code runs.
cdef Window window = Window()
cdef tuple read_arguments = (0x7FFFFFFF, window)  # as much as there is room for


@cython.final
cdef class TLSRecords:
    cdef object owner, incoming, outgoing, memory, incoming_write, outgoing_read
    cdef object ssl_read, ssl_write, unfed, above_get_buffer, above_updated, below_write
    cdef object below_writelines, below_is_closing
    # Who is above and below if they are of this package.
    cdef MessageReader reader
    cdef ReadTaker taker
    cdef SocketTransport ours
    cdef bint full
    cdef Py_ssize_t unread  # bytes in `incoming` at most
    cdef public bint busy, closing, ended, reading, sending, writing

    def __init__(self, owner, ssl_object, incoming, outgoing, memory):
        self.owner, self.incoming, self.outgoing, self.memory = owner, incoming, outgoing, memory
        self.incoming_write, self.outgoing_read = incoming.write, outgoing.read
        inner = getattr(ssl_object, "_sslobj", ssl_object)
        self.ssl_read, self.ssl_write = inner.read, inner.write

    # Who is above and below

    def set_above(self, get_buffer, updated):
        self.above_get_buffer, self.above_updated = get_buffer, updated
        self.reader = MessageReader.behind(get_buffer)
        self.taker = ReadTaker.behind(updated)

    def set_below(self, write, writelines, is_closing):
        self.below_write, self.below_writelines = write, writelines
        self.below_is_closing = is_closing
        below = getattr(write, "__self__", None)
        is_ours = isinstance(below, SocketTransport) and write.__name__ == "write"
        self.ours = below if is_ours else None

    def release(self):
        self.owner = self.above_get_buffer = self.above_updated = None
        self.reader = self.taker = None
        self.below_write = self.below_writelines = self.below_is_closing = self.ours = None

    @staticmethod
    cdef TLSRecords behind(get_buffer, updated):
        """Whose methods they are, None if one is another's."""
        owner = getattr(updated, "__self__", None)
        is_ours = type(owner) is TLSRecords and get_buffer == owner.get_buffer
        return <TLSRecords>owner if is_ours else None

    def is_closing(self):
        return self.closes()

    cdef bint closes(self) except -1:
        """`is_closing`, for our own writer as well."""
        if self.closing or self.below_is_closing is None:
            return self.closing
        return self.below_is_closing() if self.ours is None else self.ours.closing

    # Reading

    def get_buffer(self, sizehint=-1, /):
        return self.memory

    def updated(self, Py_ssize_t nbytes, /):
        self.take(nbytes)

    cdef int take(self, Py_ssize_t nbytes) except -1:
        """`updated`, for our own transport as well."""
        cdef int calls
        owner = self.owner
        if not self.reading or self.busy or self.has_input():
            owner.received(nbytes)
            return 0
        if nbytes <= tls_piece:
            self.take_in(nbytes)
        else:
            self.unfed = self.memory[:nbytes]
        for calls in range(MOST_DELIVERIES):
            if not self.deliver():
                return 0
            if not self.reading or not self.has_input():
                break
        if self.ended or self.has_input() or self.has_output():
            owner.go_on()
        return 0

    cpdef bint deliver(self) except -1:
        cdef Py_ssize_t count
        cdef ReadTaker taker
        owner = self.owner  # which the protocol above may make us forget
        self.busy = True
        try:
            buffer = self.above_get_buffer(-1) if self.reader is None else self.reader.view()
            count = self.decrypt(buffer)
            self.keep()  # the protocol above may run the loop
        except Exception as error:
            owner.fail(error)
            return False
        except BaseException:
            owner.abort()  # part of the stream is lost
            raise
        finally:
            self.busy = False
        if count and not self.closing:
            taker = self.taker
            try:
                if taker is not None:
                    taker.take_read(count)
                else:
                    self.above_updated(count)
            except (SystemExit, KeyboardInterrupt):
                owner.go_on_soon()
                raise
            except BaseException as error:
                owner.fail(error)
                return False
        return True

    def receive(self, data, /):
        if self.unfed is not None:
            self.unfed = memoryview(b"".join((self.unfed, data)))
        else:
            self.unfed = data

    cpdef keep(self):
        if self.unfed is not None and not PyBytes_CheckExact(self.unfed.obj):
            self.unfed = memoryview(bytes(self.unfed))

    def drop_input(self):
        self.unfed = None
        self.full = False
        self.incoming.read()

    cpdef bint has_input(self) except -1:
        if self.ended:
            return False
        return self.full or self.unfed is not None or (self.unread and self.count_unread())

    cdef Py_ssize_t count_unread(self) except -1:
        self.unread = self.incoming.pending
        return self.unread

    cpdef Py_ssize_t decrypt(self, buffer) except -1:
        cdef Span room
        hold_span(&room, buffer, PyBUF_WRITABLE)
        try:
            if not room.size:
                raise RuntimeError("get_buffer() returned an empty buffer")
            return self.fill(room.data, room.size)
        finally:
            close_span(&room)

    cdef Py_ssize_t fill(self, uint8_t *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t i, count, filled = 0
        for i in range(tls_records):
            if not (self.full or self.unread or self.feed()):
                break
            self.full = False
            count = self.read_record(data + filled, size - filled)
            if not count:
                self.ended = True
                break
            if count > 0:
                filled += count
            if filled == size:
                self.full = True
                break
        return filled

    cdef Py_ssize_t read_record(self, uint8_t *data, Py_ssize_t size) except? -1:
        """Return how much plaintext there was, -1 for part of a record, 0 for the end."""
        cdef Py_ssize_t count
        window.data, window.size = data, size
        try:
            count = self.ssl_read(*read_arguments)
        except OSError as error:
            if error.errno != WANT_READ and error.errno != ZERO_RETURN:
                raise
            count = -1 if error.errno == WANT_READ else 0
        finally:
            window.size = 0
        self.count_unread()
        return count

    cdef int take_in(self, Py_ssize_t nbytes) except -1:
        """Give OpenSSL the first *nbytes* of the memory."""
        cdef Span span
        hold_span(&span, self.memory, PyBUF_SIMPLE)
        try:
            window.data, window.size = span.data, nbytes
            self.unread += nbytes
            self.incoming_write(window)
        finally:
            window.size = 0
            close_span(&span)
        return 0

    cpdef bint feed(self) except -1:
        unfed = self.unfed
        if unfed is None:
            return False
        self.unfed = unfed[tls_piece:] if len(unfed) > tls_piece else None
        self.unread += min(<Py_ssize_t>len(unfed), tls_piece)
        self.incoming_write(unfed[:tls_piece])
        return True

    # Writing

    def write(self, data, /):
        self.send(data)

    cdef int send(self, data) except -1:
        """`write`, for our own writer as well."""
        cdef Py_ssize_t count, size = len(data)
        owner = self.owner
        if not self.writing or self.sending or not 0 < size <= tls_plaintext:
            self.writelines([data])
            return 0
        self.sending = True
        try:
            count = self.encrypt(data)
            if self.ours is not None:
                self.ours.send(self.outgoing_read(), 0)
            else:
                self.below_write(self.outgoing_read())
        except Exception as error:
            owner.fail(error)
            return 0
        except BaseException:
            owner.abort()  # part of the stream is lost
            raise
        finally:
            self.sending = False
        if count < size or not self.writing:
            owner.wrote([memoryview(data)[count:]], first=True)
        return 0

    def writelines(self, list_of_data, /):
        cdef list parts = list(list_of_data), rest
        owner = self.owner
        if not self.writing or self.sending:
            owner.wrote(parts)
            return
        self.sending = True
        try:
            rest = self.send_parts(parts)
        except Exception as error:
            owner.fail(error)
            return
        except BaseException:
            owner.abort()  # part of the stream is lost
            raise
        finally:
            self.sending = False
        if rest or not self.writing:
            owner.wrote(rest, first=True)

    cdef list send_parts(self, list parts):
        """Write records of *parts* until the transport below is full; return the rest."""
        cdef Py_ssize_t i, at, count, size
        cdef bint full
        cdef list output = []
        for i in range(len(parts)):
            view = memoryview(parts[i])
            at, size = 0, len(view)
            while at < size:
                count = self.encrypt(view[at:at + tls_plaintext])
                output.append(self.outgoing_read())
                at += count
                full = len(output) == tls_at_once
                if full:
                    self.below_writelines(output)
                    output = []
                if not count or (full and not self.writing):
                    self.below_writelines(output)
                    return [view[at:], *parts[i + 1:]]
        self.below_writelines(output)
        return []

    cpdef Py_ssize_t encrypt(self, data) except -1:
        try:
            return self.ssl_write(data)
        except OSError as error:
            if error.errno != WANT_READ:
                raise
            return 0  # it negotiates anew, in TLS 1.2

    cpdef bint has_output(self) except -1:
        return <Py_ssize_t>self.outgoing.pending > 0

    cpdef bytes take_output(self):
        return self.outgoing_read()


cdef bint read_for_records(SocketTransport transport, TLSRecords records) except -1:
    """Read ciphertext, without the calls by which a protocol is asked. See `read_once`."""
    cdef Py_ssize_t got, size
    cdef Span span
    hold_span(&span, records.memory, PyBUF_WRITABLE)
    size = span.size
    got = wscore_recv(transport.descriptor, span.data, size)
    close_span(&span)
    if got <= 0:
        return transport.read_nothing(got)
    context = transport.enter()
    try:
        records.take(got)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        transport.fail(error, "buffer_updated()")
    finally:
        PyContext_Exit(context)
    return got == size
