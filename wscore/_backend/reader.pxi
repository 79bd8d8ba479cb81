# The engine's hot loop for what comes in: the bytes of one read become whole messages.
# `reader.py`, the twin, documents what is public.

cdef enum: DIRECT_FROM = 32768  # so much missing of a payload is read straight into its object

cdef enum Target:
    ALONE  # a control frame, or a frame of a message that is not assembled
    TEXT  # a message of one frame
    BINARY
    FRAGMENT  # of a message that is assembled


@cython.final
cdef class ReadBuffer:
    cdef bytes memory
    cdef readonly object view
    cdef readonly uint64_t reads

    def __init__(self, Py_ssize_t size=262144):
        if size < 1:
            raise ValueError("size must be positive")
        self.memory = bytes(size)
        self.view = memoryview(self)

    def __len__(self):
        return PyBytes_GET_SIZE(self.memory)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(
            buffer, self, PyBytes_AS_STRING(self.memory), PyBytes_GET_SIZE(self.memory), False, flags
        )


@cython.final
cdef class Sink:
    """A payload that is not whole yet, in the object that it will end up in, the owner:

        data          data + checked      data + filled       data + size
        | valid text  | maybe a part of   | what a view of    |
        |             | a code point      | the sink shows    |

    A transport reads into such a view, and `absorb` unmasks in place what has come. Text of one
    frame is an ASCII str until a byte is not ASCII; then it, and all other payload, is bytes.

    The owner changes when its size or kind does. Views that somebody holds still point into the
    old one, which `retired` keeps.
    """

    cdef object owner, retired
    cdef uint8_t *data
    cdef Py_ssize_t size, filled, checked
    cdef bint text, ascii
    cdef int exports  # views that somebody holds

    @staticmethod
    cdef Sink new(Py_ssize_t size, bint text, bint ascii):
        cdef Sink sink = Sink.__new__(Sink)
        sink.text, sink.ascii = text, ascii
        sink.own(PyUnicode_New(size, 0x7f) if ascii else PyBytes_FromStringAndSize(NULL, size), size)
        return sink

    cdef int own(self, object owner, Py_ssize_t size) except -1:
        if self.exports:
            self.retired = (self.retired, self.owner)
        self.owner = owner
        self.data = <uint8_t *>(PyUnicode_DATA(owner) if self.ascii else PyBytes_AS_STRING(owner))
        self.size = size
        return 0

    cdef int resize(self, Py_ssize_t size) except -1:
        """Change the size of the bytes: in place unless somebody holds a view of them."""
        cdef PyObject *raw
        cdef bytes copy
        if self.exports:
            copy = PyBytes_FromStringAndSize(NULL, size)
            memcpy(PyBytes_AS_STRING(copy), self.data, min(self.filled, size))
            self.own(copy, size)
            return 0
        owner = self.owner
        Py_INCREF(owner)
        raw = <PyObject *>owner
        self.owner = owner = None
        _PyBytes_Resize(&raw, size)  # frees and clears raw when it fails
        self.own(<object>raw, size)
        Py_DECREF(self.owner)
        return 0

    cdef int reserve(self, Py_ssize_t more, bint last) except -1:
        cdef Py_ssize_t needed = self.filled + more
        if needed > self.size or last:
            if needed != self.size:
                self.resize(needed if last else max(needed, 2 * self.size))
        return 0

    cdef int absorb(self, const uint8_t *src, Py_ssize_t size, uint32_t key) except -1:
        """Take payload; src is where it belongs already when it was read in place."""
        cdef uint8_t *into = self.data + self.filled
        if self.ascii:
            if not wscore_active.mask_ascii(into, src, size, key):
                self.become_bytes(self.filled + size)
        elif key or into != src:
            mask_into(into, src, size, key)
        self.filled += size
        if self.text and not self.ascii:
            self.check()
        return 0

    cdef int become_bytes(self, Py_ssize_t written) except -1:
        cdef bytes copy = PyBytes_FromStringAndSize(NULL, self.size)
        memcpy(PyBytes_AS_STRING(copy), self.data, written)
        self.ascii = False
        self.checked = self.filled
        self.own(copy, self.size)
        return 0

    cdef int check(self) except -1:
        cdef Py_ssize_t whole
        if self.filled > self.checked:
            whole = wscore_utf8_whole(self.data + self.checked, self.filled - self.checked)
            if whole < 0:
                raise invalid_text()
            self.checked += whole
        return 0

    cdef object finish(self):
        if self.ascii:
            return self.owner
        if self.text:
            if self.checked < self.filled:
                raise invalid_text()
            return decode(self.data, self.filled)
        if self.filled < self.size:
            self.resize(self.filled)
        return self.owner

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(
            buffer, self, self.data + self.filled, self.size - self.filled, False, flags
        )
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1


@cython.final
cdef class MessageReader:
    cdef public bint deflate, fragments
    cdef readonly bint filled, mixed
    cdef readonly uint64_t messages, nbytes, pings  # so far, for statistics
    cdef bint masked, failed, closed, direct
    cdef Py_ssize_t max_size, max_fragments
    cdef ReadBuffer buffer
    # Bytes of a header that is not whole yet.
    cdef uint8_t head[WSCORE_MAX_HEADER]
    cdef uint8_t head_size
    # The frame being read: its first byte, where its payload goes, its key and bytes missing.
    cdef uint8_t first
    cdef Target target
    cdef uint32_t key
    cdef Py_ssize_t left
    cdef Sink part
    # The message being read: how much it may still grow, frames so far, what was assembled.
    cdef bint in_message, assembled
    cdef Py_ssize_t room, count
    cdef Sink message

    def __init__(
        self, *, bint masked, bint deflate=False, max_size=MAX_SIZE, max_fragments=MAX_FRAGMENTS,
        ReadBuffer buffer=None,
    ):
        self.masked = masked
        self.deflate = deflate
        self.max_size = limit("max_size", max_size)
        self.max_fragments = limit("max_fragments", max_fragments)
        self.buffer = buffer

    def feed(self, data, /):
        cdef Span span
        if PyBytes_CheckExact(data):
            return self.consume(<uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        hold_span(&span, data, PyBUF_SIMPLE)
        try:
            return self.consume(span.data, span.size)
        finally:
            close_span(&span)

    def get_buffer(self, Py_ssize_t sizehint=-1, /):
        if self.buffer is None:
            self.buffer = ReadBuffer()
        self.direct = self.part is not None and self.left >= DIRECT_FROM
        if self.direct:
            return memoryview(self.part)[:self.left]
        return self.buffer.view

    def commit(self, Py_ssize_t nbytes, /):
        return self.committed(nbytes)

    cdef list committed(self, Py_ssize_t nbytes):
        cdef bint direct = self.direct and self.part is not None
        cdef Py_ssize_t offered = 0
        self.direct = False
        if direct:
            offered = self.left
        elif self.buffer is not None:
            offered = PyBytes_GET_SIZE(self.buffer.memory)
        if not 0 <= nbytes <= offered:
            raise ValueError("commit of more bytes than get_buffer offered")
        self.filled = nbytes == offered
        if self.buffer is not None:
            self.buffer.reads += 1
        if direct:
            return self.consume(self.part.data + self.part.filled, nbytes)
        return self.consume(<uint8_t *>PyBytes_AS_STRING(self.buffer.memory), nbytes)

    cdef list consume(self, const uint8_t *src, Py_ssize_t size):
        cdef list events = []
        if self.failed:
            raise used_after_failure()
        self.nbytes += size
        self.mixed = False
        try:
            self.read_frames(src, src + size, events)
        except (ProtocolError, PayloadTooBig) as violation:
            self.failed = self.mixed = True
            self.part = self.message = None
            events.append(violation)
        return events

    cdef int read_frames(self, const uint8_t *p, const uint8_t *end, list events) except -1:
        cdef Py_ssize_t size
        while not self.closed:
            if self.part is None:
                p = self.open_frame(p, end)
                if p == NULL:
                    return 0
                if end - p >= self.left:
                    self.end_frame(self.take_payload(p), events)
                    p += self.left
                    continue
                self.open_sink()
            size = min(self.left, end - p)
            self.part.absorb(p, size, self.key)
            self.key = wscore_turn(self.key, size)
            self.left -= size
            p += size
            if self.left:
                return 0
            self.end_frame(None if self.target == FRAGMENT else self.part.finish(), events)
            self.part = None
        return 0

    cdef const uint8_t *open_frame(self, const uint8_t *p, const uint8_t *end) except? NULL:
        """Take a header; returns where the payload starts, or NULL when bytes are missing."""
        cdef wscore_header h
        cdef Py_ssize_t available = end - p
        cdef const uint8_t *payload
        cdef int status = WSCORE_INCOMPLETE
        if not self.head_size:
            status = self.parse(p, available, &h)
            if status == WSCORE_INCOMPLETE:
                memcpy(self.head, p, available)
                self.head_size = <uint8_t>available
                return NULL
            payload = p + h.size
        else:
            while status == WSCORE_INCOMPLETE:
                if p == end:
                    return NULL
                self.head[self.head_size] = p[0]
                self.head_size += 1
                p += 1
                status = self.parse(self.head, self.head_size, &h)
            self.head_size = 0
            payload = p
        self.start_frame(&h)
        return payload

    cdef int parse(self, const uint8_t *p, Py_ssize_t available, wscore_header *h) except -2:
        if available < 2:
            return WSCORE_INCOMPLETE
        if not wscore_legal_start(p[0], p[1], self.masked, self.deflate, self.in_message):
            raise context_violation(p[0], p[1], self.masked, self.deflate, self.in_message)
        cdef int status = wscore_parse_header(p, available, h)
        if status == WSCORE_BAD_LENGTH:
            raise length_violation(h.length)
        return status

    cdef int start_frame(self, wscore_header *h) except -1:
        cdef uint8_t opcode = h.first & 0x0f
        self.first = h.first
        self.key = h.key
        if opcode >= 8:
            self.left = <Py_ssize_t>h.length
            self.target = ALONE
            return 0
        if not self.in_message:
            self.room, self.count = self.max_size, 0
        if h.length > <uint64_t>self.room:
            raise message_too_big(self.max_size)
        if self.count >= self.max_fragments:
            raise too_many_fragments(self.max_fragments)
        self.left = <Py_ssize_t>h.length
        self.room -= self.left
        self.count += 1
        if opcode:
            self.in_message = True
            self.assembled = not (h.first & 0x40 or self.fragments)
            if self.assembled and not h.first & 0x80:
                self.message = Sink.new(0, opcode == 1, False)
        if not self.assembled:
            self.target = ALONE
        elif self.message is not None:
            self.target = FRAGMENT
        else:
            self.target = TEXT if opcode == 1 else BINARY
        return 0

    cdef object take_payload(self, const uint8_t *p):
        """The payload of a frame that is here as a whole; None for a fragment."""
        if self.target == TEXT:
            return masked_text(p, self.left, self.key)
        if self.target == FRAGMENT:
            self.message.reserve(self.left, self.first & 0x80)
            self.message.absorb(p, self.left, self.key)
            return None
        return masked_bytes(p, self.left, self.key)

    cdef int open_sink(self) except -1:
        try:
            if self.target == FRAGMENT:
                self.message.reserve(self.left, self.first & 0x80)
                self.part = self.message
            else:
                self.part = Sink.new(self.left, self.target == TEXT, self.target == TEXT)
        except (MemoryError, OverflowError):
            raise message_too_big(self.left) from None
        return 0

    cdef int end_frame(self, object payload, list events) except -1:
        cdef uint8_t opcode = self.first & 0x0f
        cdef bint fin = self.first & 0x80 != 0
        if opcode >= 8:
            self.mixed = True
            if opcode == 8:
                events.append(Close.parse(payload))
                self.closed = True
            else:
                self.pings += opcode == 9
                events.append(Frame(OPCODES[opcode], payload))
            return 0
        if self.target == ALONE:
            self.mixed = True
            events.append(Frame(OPCODES[opcode], payload, fin, self.first & 0x40 != 0))
        elif self.target != FRAGMENT:
            events.append(payload)
        elif fin:
            events.append(self.message.finish())
        if fin:
            self.messages += 1
            self.in_message = False
            self.message = None
        return 0


cdef Py_ssize_t limit(str name, object value) except -1:
    if value is None:
        return PY_SSIZE_T_MAX
    if value < 0:
        raise ValueError(f"{name} must not be negative")
    return min(value, PY_SSIZE_T_MAX)
