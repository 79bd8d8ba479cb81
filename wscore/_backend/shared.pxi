# A message that many get. `shared.py`, the twin, documents what is public; there `FrameWriter` has
# the methods by which a writer takes one.

cdef Py_ssize_t max_frame = MAX_FRAME


@cython.final
@cython.no_gc_clear
cdef class SharedMessage:
    cdef readonly int opcode
    cdef readonly bytes payload
    cdef readonly Channel channel
    cdef uint64_t order
    cdef dict encoded

    def __cinit__(self):
        self.payload = b""

    def __init__(self, int opcode, bytes payload not None, Channel channel=None):
        self.opcode, self.payload, self.channel = opcode, payload, channel

    def encoded_for(self, codec):
        return self.encode_for(codec)

    cdef bytes encode_for(self, object codec):
        cdef object sharing
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.payload)
        if size > LARGE_MESSAGE or size < <Py_ssize_t>codec.threshold:
            return None
        sharing = codec.sharing
        if self.encoded is None:
            self.encoded = {}
        found = self.encoded.get(sharing)
        if found is None:
            found = self.encoded[sharing] = codec.encode_shared(self.payload)
        return found


@cython.final
@cython.no_gc_clear
cdef class Batch:
    """The frames of a pass, as members of one kind get them."""

    cdef bytes frames
    cdef list payloads, starts
    cdef bint encoded  # whether any is

    cdef int join(self) except -1:
        cdef Py_ssize_t i, used, size = self.offset(PyList_GET_SIZE(self.payloads))
        cdef bytes payload
        cdef uint8_t *at
        self.frames = PyBytes_FromStringAndSize(NULL, size)
        at = <uint8_t *>PyBytes_AS_STRING(self.frames)
        for i in range(PyList_GET_SIZE(self.payloads)):
            payload = <bytes>PyList_GET_ITEM(self.payloads, i)
            used = PyBytes_GET_SIZE(payload)
            at += wscore_write_header(at, <uint8_t>self.starts[i], used, NULL)
            memcpy(at, PyBytes_AS_STRING(payload), used)
            at += used
        return 0

    cdef Py_ssize_t offset(self, Py_ssize_t count) noexcept:
        """Where the frame is that comes after *count* others."""
        cdef Py_ssize_t i, size, at = 0
        for i in range(count):
            size = PyBytes_GET_SIZE(<bytes>PyList_GET_ITEM(self.payloads, i))
            at += wscore_header_size(size, False) + size
        return at


cdef inline bint takes_shared(FrameWriter writer) noexcept:
    return (
        writer.out is None and writer.done is None
        and not writer.masked and writer.buffer is not None
        and not writer.queueing and writer.accepting and not writer.corked
        and not writer.encoding and writer.state == NOT_SENDING and writer.tap is None
    )


cdef int add_shared(FrameWriter writer, SharedMessage message) except -1:
    cdef object codec = writer.codec
    cdef Channel channel = message.channel
    cdef bytes encoded = None
    cdef bint waits = False
    cdef uint32_t key = 0
    cdef Span span
    if channel is None and writer.memberships is not None:
        settle(writer)
    if codec is not None and not writer.encoding and not writer.queueing:
        if codec.sharing is None:
            waits = PyBytes_GET_SIZE(message.payload) >= <Py_ssize_t>codec.threshold
        else:
            encoded = message.encode_for(codec)
        if encoded is not None:
            codec.forget()  # its next message must not refer to those before this one
    if writer.tap is not None:
        writer.tap(message.payload.decode() if message.opcode == 1 else message.payload)
    if writer.masked:
        key = next_key()
    waits = waits or writer.queueing or not writer.accepting
    if waits or PyBytes_GET_SIZE(message.payload) > max_frame:
        writer.owner.share([message])
        return 0
    if encoded is None or writer.encoding:
        encoded = message.payload
    open_span(&span, encoded)
    writer.add(
        first_byte(message.opcode, span.size, True, encoded is not message.payload),
        &span, encoded, key, PART,
    )
    close_span(&span)
    writer.messages += 1
    if channel is not None:
        channel.delivered += 1
    if writer.used + writer.done_size >= CORK_LIMIT:
        writer.flush()
    return 0
