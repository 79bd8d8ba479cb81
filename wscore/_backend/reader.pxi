# The engine's hot loop for what comes in: the bytes of one read become whole messages.
# `reader.py`, the twin, documents what is public.

cdef enum:
    DIRECT_FROM = 32768  # so much missing of a payload is read straight into its object
    # Memory for a payload is reserved as it comes, not as it was announced: this many bytes at
    # first, and then this many times what is there.
    FIRST_ROOM = 4096
    GROWTH = 16
    # Objects of large payloads whose memory is used again when nobody else has them any more, for
    # new memory costs a page fault for every 4 KiB: so many of them, of so many bytes.
    SPARES = 8
    SPARE_FROM = 131072
    SPARE_MOST = 1048576

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
    cdef list spares  # str of ASCII, and bytes

    def __cinit__(self):
        self.memory = b""
        self.spares = []

    def __init__(self, Py_ssize_t size=262144):
        if size < 1:
            raise ValueError("size must be positive")
        if self.view is not None:
            raise RuntimeError("the memory is being read into")
        self.memory = bytes(size)
        self.view = memoryview(self)

    cdef int keep(self, object payload, Py_ssize_t size) except -1:
        """Remember a payload that is handed over, for its memory."""
        if SPARE_FROM <= size <= SPARE_MOST:
            if len(self.spares) == SPARES:
                del self.spares[0]
            self.spares.append(payload)
        return 0

    cdef object take_spare(self, Py_ssize_t size, bint text):
        """An object of this kind with room for *size* bytes, and not for many more, or None."""
        cdef Py_ssize_t i
        for i in range(len(self.spares)):
            if size <= wscore_spare_room(self.spares, i, text) < 2 * size:
                return self.spares.pop(i)
        return None

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
    cdef Sink new(bint text, bint ascii):
        cdef Sink sink = Sink.__new__(Sink)
        sink.text, sink.ascii = text, ascii
        sink.own("" if ascii else b"", 0)
        return sink

    cdef int reuse(self, ReadBuffer buffer, Py_ssize_t size) except -1:
        """Take the memory of an earlier payload, if there is some that nobody else has."""
        spare = buffer.take_spare(size, self.ascii)
        if spare is not None:
            wscore_forget_hash(spare)
            self.own(spare, len(spare))
            spare = None  # to be resized it must have one owner
            if self.size != size:
                self.resize(size)
        return 0

    cdef int own(self, object owner, Py_ssize_t size) except -1:
        if self.exports:
            self.retired = (self.retired, self.owner)
        self.owner = owner
        self.data = <uint8_t *>(PyUnicode_DATA(owner) if self.ascii else PyBytes_AS_STRING(owner))
        self.size = size
        return 0

    cdef int resize(self, Py_ssize_t size) except -1:
        """Change the size: in place unless somebody holds a view of it."""
        cdef PyObject *raw
        cdef int status
        if self.exports:
            owner = PyUnicode_New(size, 0x7f) if self.ascii else PyBytes_FromStringAndSize(NULL, size)
            memcpy(
                PyUnicode_DATA(owner) if self.ascii else PyBytes_AS_STRING(owner),
                self.data, min(self.filled, size),
            )
            self.own(owner, size)
            return 0
        owner = self.owner
        Py_INCREF(owner)
        raw = <PyObject *>owner
        # When it fails, bytes are freed: nothing may point to them.
        self.data, self.size, self.owner, owner = NULL, 0, None, None
        status = PyUnicode_Resize(&raw, size) if self.ascii else _PyBytes_Resize(&raw, size)
        if status < 0:
            self.filled = self.checked = 0
            PyErr_Clear()
            if self.ascii:
                Py_DECREF(<object>raw)
            raise MemoryError
        self.own(<object>raw, size)
        Py_DECREF(self.owner)
        return 0

    cdef int reserve(self, Py_ssize_t more, Py_ssize_t rest, bint last) except -1:
        """Have room for *more* bytes, of a frame with *rest* bytes to come, these included."""
        cdef Py_ssize_t needed = self.filled + more
        cdef Py_ssize_t most
        if needed > self.size:
            most = self.filled + rest
            if not last:
                most = max(most, 2 * self.size)
            self.resize(max(needed, min(most, max(GROWTH * needed, FIRST_ROOM))))
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
    cdef bint masked, failed, closed
    cdef bint busy  # a call is at work here: see `check_usable`
    cdef bint starved  # there was no memory for the payload being read
    cdef Py_ssize_t max_size, max_fragments, max_fragment_size
    cdef ReadBuffer buffer
    cdef Py_ssize_t direct  # how much of a payload get_buffer offered, 0 for the buffer
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
        max_fragment_size=None, ReadBuffer buffer=None,
    ):
        self.check_usable()
        self.masked = masked
        self.deflate = deflate
        self.max_size = limit("max_size", max_size)
        self.max_fragments = limit("max_fragments", max_fragments)
        self.max_fragment_size = limit("max_fragment_size", max_fragment_size)
        self.buffer = buffer

    cdef int check_usable(self) except -1:
        """Raise while a call is at work here: of another thread, which has let go of the GIL, or
        of whoever called us: a finalizer or a signal handler interrupts anybody. Half of a frame
        is read then, and memory is being written to.
        """
        if self.busy:
            raise reader_in_use()
        return 0

    def feed(self, data, /):
        cdef Span span
        if PyBytes_CheckExact(data):
            return self.consume(<uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        hold_span(&span, data, PyBUF_SIMPLE)
        try:
            return self.consume(span.data, span.size)
        finally:
            close_span(&span)

    @staticmethod
    cdef MessageReader behind(get_buffer):
        """Whose `get_buffer` it is, None if it is another method."""
        owner = getattr(get_buffer, "__self__", None)
        is_ours = type(owner) is MessageReader and get_buffer.__name__ == "get_buffer"
        return <MessageReader>owner if is_ours else None

    def get_buffer(self, Py_ssize_t sizehint=-1, /):
        return self.view()

    cdef object view(self):
        """`get_buffer`, for our own transport of TLS as well."""
        cdef Py_ssize_t room = self.room_for_payload()
        if not room:
            return self.buffer.view
        self.busy = True  # to make a view is to run other code
        try:
            view = memoryview(self.part)[:room]
            self.direct = room
            return view
        finally:
            self.busy = False

    cdef uint8_t *place(self, Py_ssize_t *size) except NULL:
        """`get_buffer` for a caller that writes there before any other code runs."""
        self.direct = size[0] = self.room_for_payload()
        if self.direct:
            return self.part.data + self.part.filled
        size[0] = PyBytes_GET_SIZE(self.buffer.memory)
        return <uint8_t *>PyBytes_AS_STRING(self.buffer.memory)

    cdef Py_ssize_t room_for_payload(self) except -1:
        """How much of the payload is to be read where it belongs; 0 while little of it has come."""
        cdef Py_ssize_t room
        self.check_usable()
        if self.buffer is None:
            self.buffer = ReadBuffer()
        self.direct = 0
        if self.part is None or self.left < DIRECT_FROM:
            return 0
        room = self.part.size - self.part.filled
        if room < DIRECT_FROM and self.part.filled >= DIRECT_FROM:
            try:
                self.part.reserve(DIRECT_FROM, self.left, self.is_last())
            except MemoryError:
                self.starved = True
            room = self.part.size - self.part.filled
        return min(room, self.left) if room >= DIRECT_FROM else 0

    def commit(self, Py_ssize_t nbytes, /):
        return self.committed(nbytes)

    cdef list committed(self, Py_ssize_t nbytes):
        cdef Py_ssize_t direct = self.direct
        cdef Py_ssize_t offered = direct
        self.check_usable()
        if not direct and self.buffer is not None:
            offered = PyBytes_GET_SIZE(self.buffer.memory)
        if not 0 <= nbytes <= offered:
            self.direct = 0
            raise ValueError("commit of more bytes than get_buffer offered")
        self.filled = nbytes == offered
        if self.buffer is not None:
            self.buffer.reads += 1
        if direct:
            return self.consume(self.part.data + self.part.filled, nbytes)
        return self.consume(<uint8_t *>PyBytes_AS_STRING(self.buffer.memory), nbytes)

    cdef object lone_message(self, Py_ssize_t nbytes):
        """The message that a read brought, if it was one whole frame and nothing else.

        Else None, and `committed` is to take the read. Most reads bring one message: to make no
        list of it, and to go through no state, saves a fifth of what an echo costs us.
        """
        cdef wscore_header h
        cdef const uint8_t *p
        if (
            self.part is not None or self.in_message or self.head_size or self.fragments
            or self.busy or self.failed or self.closed or self.buffer is None
            or <size_t>nbytes >= <size_t>PyBytes_GET_SIZE(self.buffer.memory)
        ):
            return None
        p = <const uint8_t *>PyBytes_AS_STRING(self.buffer.memory)
        if (
            wscore_parse_header(p, nbytes, &h) != WSCORE_WHOLE
            or (h.first != 0x81 and h.first != 0x82) or h.second >> 7 != self.masked
            or h.size + h.length != <uint64_t>nbytes or h.length >= RELEASE_GIL_FROM
            or <Py_ssize_t>h.length > min(self.max_size, self.max_fragment_size)
            or self.max_fragments < 1
        ):
            return None
        p += h.size
        if h.first == 0x81:
            message = masked_text(p, <Py_ssize_t>h.length, h.key)
        else:
            message = masked_bytes(p, <Py_ssize_t>h.length, h.key)
        if message is not None:
            self.nbytes += nbytes
            self.messages += 1
            self.buffer.reads += 1
            self.filled = self.mixed = False
        return message

    cdef list consume(self, const uint8_t *src, Py_ssize_t size):
        cdef list events
        cdef bint done = False
        self.check_usable()
        if self.failed:
            raise used_after_failure()
        self.busy = True
        self.direct = 0
        try:
            events = []
            self.nbytes += size
            self.mixed = False
            self.read_events(src, size, events)
            done = True
            return events
        finally:
            self.busy = False
            if not done:
                self.fail()

    cdef int fail(self) except -1:
        """Read nothing any more: what comes next means nothing without what is lost."""
        self.failed = True
        self.part = self.message = None
        self.direct = 0
        return 0

    cdef int read_events(self, const uint8_t *src, Py_ssize_t size, list events) except -1:
        try:
            if self.starved:
                raise MemoryError
            self.read_frames(src, src + size, events)
            return 0
        except (ProtocolError, PayloadTooBig) as found:
            violation = found
        except MemoryError:
            violation = message_too_big(self.left)
        self.fail()
        self.mixed = True
        events.append(violation)
        return 0

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
            self.part.reserve(size, self.left, self.is_last())
            self.part.absorb(p, size, self.key)
            self.key = wscore_turn(self.key, size)
            self.left -= size
            p += size
            if self.left:
                return 0
            self.close_sink(events)
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
        if h.length > <uint64_t>self.max_fragment_size:
            raise fragment_too_big(self.max_fragment_size)
        if self.count >= self.max_fragments:
            raise too_many_fragments(self.max_fragments)
        self.left = <Py_ssize_t>h.length
        self.room -= self.left
        self.count += 1
        if opcode:
            self.in_message = True
            self.assembled = not (h.first & 0x40 or self.fragments)
            if self.assembled and not h.first & 0x80:
                self.message = Sink.new(opcode == 1, False)
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
            text = masked_text(p, self.left, self.key)
            if text is None:
                raise invalid_text()
            return text
        if self.target == FRAGMENT:
            self.message.reserve(self.left, self.left, self.is_last())
            self.message.absorb(p, self.left, self.key)
            return None
        return masked_bytes(p, self.left, self.key)

    cdef int open_sink(self) except -1:
        cdef bint text = self.target == TEXT
        if self.target == FRAGMENT:
            self.part = self.message
            return 0
        self.part = Sink.new(text, text)
        if self.buffer is not None and self.left >= SPARE_FROM:
            self.part.reuse(self.buffer, self.left)
        return 0

    cdef int close_sink(self, list events) except -1:
        cdef object payload = None
        if self.target != FRAGMENT:
            payload = self.part.finish()
            if self.buffer is not None:
                self.buffer.keep(self.part.owner, self.part.size)
        self.part = None
        self.end_frame(payload, events)
        return 0

    cdef inline bint is_last(self) noexcept:
        """Whether no frame of the same payload follows the one being read."""
        return self.first & 0x80 or self.target != FRAGMENT

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
