# What goes out: frames become one gathered output. `writer.py`, the twin, documents what is public.

cdef enum:
    KEY_BLOCK = 4096  # bytes of the generator's output to a fetch; four to a frame
    CORK_LIMIT = 65536  # bytes; more than this does not wait for the end of a turn
    LEAVE_FROM = 65536  # an unmasked payload of this size is handed on instead of copied

cdef uint8_t key_block[KEY_BLOCK]
cdef int keys_used = KEY_BLOCK


cdef int next_key(uint8_t *key) except -1:
    """A masking key of the operating system's generator, never used before (RFC 6455 10.3)."""
    global keys_used
    cdef bytes fresh
    if keys_used == KEY_BLOCK:
        fresh = os.urandom(KEY_BLOCK)
        memcpy(key_block, PyBytes_AS_STRING(fresh), KEY_BLOCK)
        keys_used = 0
    memcpy(key, key_block + keys_used, 4)
    keys_used += 4
    return 0


def _discard_keys():
    """Two processes must never send the same keys."""
    global keys_used
    keys_used = KEY_BLOCK


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_discard_keys)


cdef object open_message(Span *span, object message):
    """Open the bytes of text or of a buffer; returns what owns them."""
    if not PyUnicode_Check(message):
        open_span(span, message)
    elif PyUnicode_IS_COMPACT_ASCII(message):
        span.held = False
        span.data = <uint8_t *>PyUnicode_DATA(message)
        span.size = PyUnicode_GET_LENGTH(message)
    else:
        message = PyUnicode_AsUTF8String(message)
        open_span(span, message)
    return message


cdef bint is_encodable(object text):
    """Whether *text* has no surrogates, which UTF-8 has no form for."""
    cdef Py_ssize_t i, size = PyUnicode_GET_LENGTH(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef const uint16_t *narrow = <const uint16_t *>PyUnicode_DATA(text)
    cdef const uint32_t *wide = <const uint32_t *>PyUnicode_DATA(text)
    cdef uint16_t narrow_found = 0
    cdef uint32_t wide_found = 0
    # No early return, so that the compiler makes vectors of it.
    if kind == 2:
        for i in range(size):
            narrow_found |= (narrow[i] & 0xf800) == 0xd800
    elif kind == 4:
        for i in range(size):
            wide_found |= (wide[i] & 0xfffff800u) == 0xd800
    return not (narrow_found or wide_found)


cdef bytes span_bytes(Span *span, object owner):
    if PyBytes_CheckExact(owner):
        return <bytes>owner
    return PyBytes_FromStringAndSize(<char *>span.data, span.size)


@cython.final
cdef class TextView:
    """The UTF-8 of an ASCII str, without a copy."""

    cdef str text

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(
            buffer, self, PyUnicode_DATA(self.text), PyUnicode_GET_LENGTH(self.text), True, flags
        )


@cython.final
cdef class FrameWriter:
    cdef public bint accepting, corked, crowded, queueing, reserved, writable
    cdef public object codec, owner, protocol, tap
    cdef public Py_ssize_t divert_from
    cdef readonly uint64_t messages, nbytes, pings  # so far, for statistics
    cdef readonly object send_error
    cdef object transport
    cdef object is_closing  # of the transport; to look it up each time costs 25 ns
    cdef object fileno  # of its socket, None when only the transport may write
    cdef ReadBuffer buffer
    cdef uint64_t reads_at_flush  # reads of the buffer when the writer last sent something
    cdef bint masked
    cdef bint idle  # the transport is known to hold nothing
    cdef Py_ssize_t used, done_size
    cdef Py_ssize_t encoded  # bytes given to the codec since they last made it crowded
    cdef bytes out  # gathered so far, `used` bytes of it
    cdef list done  # full outputs and payloads left in place, before `out`

    def __init__(self, *, bint masked):
        self.masked = masked
        self.accepting = self.writable = True
        self.divert_from = PY_SSIZE_T_MAX

    def __len__(self):
        return self.done_size + self.used

    def attach(self, ReadBuffer buffer not None, transport, owner, fileno=None):
        self.buffer = buffer
        self.transport, self.owner = transport, owner
        self.is_closing, self.fileno = transport.is_closing, fileno
        self.idle = False
        self.reads_at_flush = buffer.reads - 1

    def message(self, message, text=None, compress=None):
        return self.send(message, text, compress)

    cdef object send(self, object message, object text, object compress):
        """`message`, for `BaseConnection.write` as well."""
        if not self.accepting:
            raise self.protocol.refusal()
        if self.tap is not None:
            self.show(message)
            if not self.accepting:  # the tap has closed the connection
                raise self.protocol.refusal()
        cdef bint is_text = PyUnicode_Check(message) if text is None else text
        cdef int opcode = 1 if is_text else 2
        cdef Span span
        if self.codec is not None and self.is_left_unencoded(message, compress):
            return self.owner.divert(opcode, message, compress)
        message = open_message(&span, message)
        try:
            if self.queueing or span.size >= self.divert_from:
                return self.owner.divert(opcode, message, compress)
            if self.codec is None or not self.encodes(span.size, compress):
                self.add(first_byte(opcode, span.size, True, False), span.data, span.size, message)
            else:
                self.add_frame(opcode, self.codec.encode(span_bytes(&span, message)), True, True)
                self.count_encoded(span.size)
        finally:
            close_span(&span)
        self.messages += 1
        return self.send_or_gather()

    cdef int show(self, object message) except -1:
        """Call the tap, unless this is no message. Closed again: it may run any code."""
        cdef Span span
        open_message(&span, message)
        close_span(&span)
        self.tap(message)
        return 0

    cdef bint is_left_unencoded(self, object message, object compress) except -1:
        """Whether text is diverted as it is: encoding megabytes would hold up the event loop."""
        return (
            compress is not False
            and PyUnicode_Check(message) and not PyUnicode_IS_COMPACT_ASCII(message)
            and PyUnicode_GET_LENGTH(message) >= LEAVE_FROM
            and (self.queueing or PyUnicode_GET_LENGTH(message) >= self.divert_from)
            and is_encodable(message)
        )

    cdef bint encodes(self, Py_ssize_t size, object compress) except -1:
        return size >= self.codec.threshold if compress is None else compress

    cdef void count_encoded(self, Py_ssize_t size) noexcept:
        self.encoded += size
        if self.encoded >= CORK_LIMIT:
            self.crowded = True
            self.encoded = 0

    cdef inline bint first_since_read(self) noexcept:
        """Whether nothing has been sent since the last read: a lone answer, as far as we know."""
        return self.reads_at_flush != self.buffer.reads

    cdef object send_or_gather(self):
        """Decide when the message that was just added leaves.

                              first since a read    not the first
            64 KiB are here   now                   now, and crowded
            corked            at `uncork`           at `uncork`
            else              now                   soon, when the owner flushes

        64 KiB that gathered while corked are a crowd, too.
        """
        if self.buffer is None:
            return self.writable
        if self.used + self.done_size >= CORK_LIMIT:
            self.crowded = self.corked or not self.first_since_read()
            self.flush()
        elif self.corked:
            pass
        elif self.first_since_read():
            self.flush()
        else:
            self.owner.write_soon()
        return self.writable

    def uncork(self):
        self.corked = False
        self.flush()

    cpdef flush(self):
        if self.buffer is None or (self.out is None and self.done is None):
            return
        self.reads_at_flush = self.buffer.reads
        output = self.take_out() if self.done is None else self.take()
        if self.is_closing():
            return
        if PyBytes_CheckExact(output):
            self.pass_on(output)
        else:
            self.idle = False
            self.owner.write_all(output)

    cpdef pass_on(self, data):
        cdef Py_ssize_t sent = 0
        if PyBytes_CheckExact(data) and self.may_bypass():
            sent = self.send_to_socket(<bytes>data)
        if sent < len(data):
            self.idle = False
            self.transport.write(data[sent:] if sent else data)

    cdef bint may_bypass(self) except -1:
        """Whether to write to the socket itself, which is faster than the transport.

        Only while the transport holds nothing: what it holds comes first. Its buffer stays empty
        until we give it something, so it is not asked again before that.
        """
        if not self.idle and self.fileno is not None:
            self.idle = not self.transport.get_write_buffer_size()
        return self.idle

    cdef Py_ssize_t send_to_socket(self, bytes data) except -1:
        """Return how many bytes the system took, 0 after an error.

        The transport will meet the error, too, and handles it. But the system tells some errors
        only once: they are kept.
        """
        cdef Py_ssize_t sent
        sent = wscore_send(self.fileno(), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        if sent >= 0:
            return sent
        if sent != -EAGAIN:
            self.send_error = OSError(-sent, os.strerror(-sent))
        return 0

    def write(self, int opcode, payload=b"", bint fin=True, bint rsv1=False):
        self.add_frame(opcode, payload, fin, rsv1)
        self.messages += fin and opcode < 8
        self.pings += opcode == 9

    cpdef list take(self):
        if self.done is None and self.out is None:
            return []
        self.finish_out()
        done = self.done
        self.done = None
        self.done_size = 0
        return done

    cdef int add_frame(self, int opcode, object payload, bint fin, bint rsv1) except -1:
        cdef Span span
        payload = open_message(&span, payload)
        try:
            self.add(first_byte(opcode, span.size, fin, rsv1), span.data, span.size, payload)
        finally:
            close_span(&span)
        return 0

    cdef int add(self, uint8_t first, const uint8_t *src, Py_ssize_t size, object payload) except -1:
        """Add a frame behind those in `out`: | frame | frame | header | payload |

        A large payload that needs no mask is not copied. What `out` holds moves to `done`, the
        payload follows it there as it is, and `out` starts anew:

            done: | out so far, header | payload |    out: | frames that come later |
        """
        cdef uint8_t key[4]
        cdef uint32_t word = 0
        cdef uint8_t *out
        cdef Py_ssize_t head
        cdef bint leave = size >= LEAVE_FROM and not self.masked and (
            PyBytes_CheckExact(payload) or PyUnicode_Check(payload)
        )
        if self.masked:
            next_key(key)
            memcpy(&word, key, 4)
        self.reserve(wscore_header_size(size, self.masked) + (0 if leave else size))
        out = <uint8_t *>PyBytes_AS_STRING(self.out) + self.used
        head = wscore_write_header(out, first, size, key if self.masked else NULL)
        self.nbytes += head + size
        if leave:
            self.used += head
            self.leave(payload, size)
        elif self.masked:
            mask_into(out + head, src, size, word)
            self.used += head + size
        else:
            memcpy(out + head, src, size)
            self.used += head + size
        return 0

    cdef int leave(self, object payload, Py_ssize_t size) except -1:
        cdef TextView view
        if PyUnicode_Check(payload):
            view = TextView.__new__(TextView)
            view.text = payload
            payload = memoryview(view)
        self.finish_out()
        self.done.append(payload)
        self.done_size += size
        return 0

    cdef int reserve(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t size
        if self.out is None:
            self.out = PyBytes_FromStringAndSize(NULL, more)
            self.used = 0
            return 0
        size = PyBytes_GET_SIZE(self.out)
        if size - self.used < more:
            self.resize(max(self.used + more, 2 * size, 1024))
        return 0

    cdef int resize(self, Py_ssize_t size) except -1:
        cdef bytes out = self.out
        cdef PyObject *raw = <PyObject *>out
        Py_INCREF(out)
        self.out = out = None
        _PyBytes_Resize(&raw, size)  # frees and clears raw when it fails
        self.out = <bytes>raw
        Py_DECREF(self.out)
        return 0

    cdef int finish_out(self) except -1:
        if self.out is None:
            return 0
        if self.done is None:
            self.done = []
        self.done_size += self.used
        self.done.append(self.take_out())
        return 0

    cdef object take_out(self):
        if PyBytes_GET_SIZE(self.out) != self.used:
            self.resize(self.used)
        out = self.out
        self.out = None
        self.used = 0
        return out
