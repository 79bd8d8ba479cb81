# The way out: frames become one gathered output.

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
    # Without a way out, so that the compiler makes vectors of it.
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
    """Encodes frames into output that leaves in one write; see the twin's `FrameWriter`."""

    cdef public bint corked, crowded, writable
    cdef public object refusal, codec
    cdef public Py_ssize_t divert_from
    cdef readonly uint64_t messages, nbytes, pings  # so far, for statistics
    cdef object transport, owner
    cdef readonly object send_error
    cdef object is_closing  # of the transport; to look it up each time costs 25 ns
    cdef object fileno  # of its socket, None when only the transport may write
    cdef ReadBuffer buffer
    cdef uint64_t wrote_after  # reads of the buffer when a frame was last written at once
    cdef bint masked, idle  # idle: the transport holds nothing, because it got nothing
    cdef Py_ssize_t used, done_size, encoded
    cdef bytes out  # gathered so far, `used` bytes of it
    cdef list done  # full outputs and payloads left in place, before `out`

    def __init__(self, *, bint masked):
        self.masked = masked
        self.writable = True
        self.divert_from = PY_SSIZE_T_MAX

    def __len__(self):
        return self.done_size + self.used

    def attach(self, ReadBuffer buffer not None, transport, owner, fileno=None):
        self.buffer = buffer
        self.transport, self.owner = transport, owner
        self.is_closing, self.fileno = transport.is_closing, fileno
        self.idle = False
        self.wrote_after = buffer.reads - 1

    def message(self, message, text=None, compress=None):
        if self.refusal is not None:
            raise self.refusal()
        cdef bint is_text = PyUnicode_Check(message) if text is None else text
        cdef int opcode = 1 if is_text else 2
        cdef Span span
        if self.is_left_unencoded(message, compress):
            return self.owner.divert(opcode, message, compress)
        message = open_message(&span, message)
        try:
            if span.size >= self.divert_from:
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

    cdef bint is_left_unencoded(self, object message, object compress) except -1:
        """Whether text is diverted as it is: encoding megabytes would hold up the event loop."""
        return (
            self.codec is not None and compress is not False
            and PyUnicode_Check(message) and not PyUnicode_IS_COMPACT_ASCII(message)
            and PyUnicode_GET_LENGTH(message) >= max(self.divert_from, LEAVE_FROM)
            and is_encodable(message)
        )

    cdef bint encodes(self, Py_ssize_t size, object compress) except -1:
        return size >= self.codec.threshold if compress is None else compress

    cdef void count_encoded(self, Py_ssize_t size) noexcept:
        self.encoded += size
        if self.encoded >= CORK_LIMIT:
            self.crowded = True
            self.encoded = 0

    cdef object send_or_gather(self):
        if self.buffer is None:
            return self.writable
        if self.used + self.done_size >= CORK_LIMIT:
            self.crowded = self.corked or self.wrote_after == self.buffer.reads
            self.flush()
        elif not self.corked:
            if self.wrote_after != self.buffer.reads:
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
        self.wrote_after = self.buffer.reads
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
        if PyBytes_CheckExact(data) and self.may_send():
            sent = wscore_send(self.fileno(), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        if sent < 0 and sent != -EAGAIN:
            self.send_error = OSError(-sent, os.strerror(-sent))
        if sent < len(data):
            self.idle = False
            self.transport.write(data[sent:] if sent > 0 else data)

    cdef bint may_send(self) except -1:
        """Whether to write past the transport, which has a slower way: it holds nothing itself.

        What the system does not take now, and what it has against the socket, is its affair.
        """
        if not self.idle and self.fileno is not None:
            self.idle = not self.transport.get_write_buffer_size()
        return self.idle

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
