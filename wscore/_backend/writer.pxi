# What goes out: frames become one gathered output. `writer.py`, the twin, documents what is public.

cdef enum:
    KEY_BLOCK = 4096  # bytes of the generator's output to a fetch; four to a frame
    CORK_LIMIT = 65536  # bytes; more than this does not wait for the end of a turn
    LEAVE_FROM = 65536  # an unmasked payload of this size is handed on instead of copied

cdef uint8_t key_block[KEY_BLOCK]
cdef int keys_used = KEY_BLOCK


cdef uint32_t next_key() except? 0:
    """A masking key of the operating system's generator, never used before (RFC 6455 10.3).

    To be taken before a message is opened: fetching more of them lets other threads run.
    """
    global keys_used
    cdef bytes fresh
    cdef uint32_t key
    if keys_used == KEY_BLOCK:
        fresh = os.urandom(KEY_BLOCK)
        if PyBytes_GET_SIZE(fresh) != KEY_BLOCK:
            raise OSError("the generator of masking keys gave too few bytes")
        memcpy(key_block, PyBytes_AS_STRING(fresh), KEY_BLOCK)
        keys_used = 0
    memcpy(&key, key_block + keys_used, 4)
    keys_used += 4
    return key


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
        if self.text is None:
            raise BufferError("this view shows no text")
        PyBuffer_FillInfo(
            buffer, self, PyUnicode_DATA(self.text), PyUnicode_GET_LENGTH(self.text), True, flags
        )


cdef object left_in_place(object payload):
    """What stands for a payload that is handed on instead of copied."""
    cdef TextView view
    if PyBytes_CheckExact(payload):
        return payload
    view = TextView.__new__(TextView)
    view.text = payload
    return memoryview(view)


cdef enum Kind:
    PART  # a control frame, or a fragment
    MESSAGE  # waits if others do
    ENCODED  # a message that later ones may refer to: it leaves before them


cdef enum Sending:
    NOT_SENDING
    SENDING
    SENDING_MORE  # somebody wants what was written meanwhile to be sent as well


@cython.final
cdef class FrameWriter:
    # Other code runs in the middle of a call of ours: another thread where the GIL is released,
    # and a signal handler, a finalizer or a method of a buffer where Python code is called, or
    # before CPython 3.12 where an object is made that the garbage collector knows. So a frame is
    # added in one step in which nothing of that happens (see `add`), and one caller at a time
    # sends, others leave it to that one (see `deliver`).

    cdef public bint accepting, corked, crowded, queueing, reserved, writable
    cdef public object codec, owner, protocol, tap
    cdef public Py_ssize_t divert_from
    cdef readonly uint64_t messages, nbytes, pings  # so far, for statistics
    cdef readonly object send_error
    cdef object transport
    cdef SocketTransport ours  # the transport, if it is our own
    cdef TLSRecords records  # what encrypts, if the transport is our own of TLS
    cdef object is_closing  # of others; to look it up each time costs 25 ns
    cdef object fileno  # of the socket of others, None when only the transport may write
    cdef ReadBuffer buffer
    cdef uint64_t reads_at_flush  # reads of the buffer when the writer last sent something
    # Small, so that a connection that is a member of nothing takes no more memory than without.
    cdef uint8_t masked
    cdef uint8_t idle  # the transport is known to hold nothing
    cdef uint8_t failed  # output was lost, so that what follows would be no frames to the peer
    cdef readonly bint encoding  # the codec is at work
    cdef uint8_t state  # a Sending
    cdef Py_ssize_t used, done_size
    cdef Py_ssize_t encoded  # bytes given to the codec since they last made it crowded
    cdef bytes out  # gathered so far, `used` bytes of it
    cdef object memberships  # a chain of Membership, a dict of many by channel, or None
    cdef list done  # full outputs and payloads left in place, before `out`

    def __init__(self, *, bint masked):
        self.masked = masked
        self.accepting = self.writable = True
        self.divert_from = PY_SSIZE_T_MAX

    def __len__(self):
        return self.done_size + self.used

    @property
    def sending(self):
        return self.state != NOT_SENDING

    def attach(self, ReadBuffer buffer not None, transport, owner, fileno=None):
        self.buffer = buffer
        self.transport, self.owner = transport, owner
        self.ours = self.records = self.is_closing = self.fileno = None
        records = getattr(getattr(transport, "write", None), "__self__", None)
        if isinstance(transport, SocketTransport):
            self.ours = transport
        elif type(records) is TLSRecords:
            self.records = records
        else:
            self.is_closing, self.fileno = transport.is_closing, fileno
        self.idle = False
        self.reads_at_flush = buffer.reads - 1

    def message(self, message, text=None, compress=None):
        return self.send(message, text, compress)

    cdef object send(self, object message, object text, object compress):
        """`message`, for `BaseConnection.write` as well."""
        if self.memberships is not None:
            settle(self)
        if not self.accepting:
            raise self.protocol.refusal()
        if self.tap is not None:
            self.show(message)
            if not self.accepting:  # the tap has closed the connection
                raise self.protocol.refusal()
        cdef bint is_text = PyUnicode_Check(message) if text is None else text
        cdef int opcode = 1 if is_text else 2
        cdef Py_ssize_t encode_from = PY_SSIZE_T_MAX
        if self.codec is not None:
            if self.is_left_unencoded(message, compress):
                return self.owner.divert(opcode, message, compress)
            encode_from = self.least_encoded(compress)
        cdef uint32_t key = next_key() if self.masked else 0
        cdef bint diverts
        cdef bytes whole = None
        cdef Span span
        message = open_message(&span, message)
        try:
            diverts = self.queueing or span.size >= self.divert_from
            if diverts:
                pass
            elif span.size < encode_from or self.encoding:
                diverts = not self.add(
                    first_byte(opcode, span.size, True, False), &span, message, key, MESSAGE
                )
            else:
                whole = span_bytes(&span, message)
        finally:
            close_span(&span)
        if whole is not None:
            diverts = not self.add_encoded(opcode, whole, key)
        if diverts:
            return self.owner.divert(opcode, message, compress)
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

    cdef Py_ssize_t least_encoded(self, object compress) except? -1:
        """The size from which on a message is encoded."""
        if compress is None:
            return self.codec.threshold
        return 0 if compress else PY_SSIZE_T_MAX

    cdef bint add_encoded(self, int opcode, bytes message, uint32_t key) except -1:
        """Have the codec encode a message, and add that; False if others wait since just now.

        What others write meanwhile is not encoded, because it goes out first: a codec may refer
        to earlier messages. If the message cannot be added, nothing is encoded any more, because
        the peer does not know the message that later ones might refer to.
        """
        cdef Span span
        if self.queueing:
            return False
        self.encoding = True
        try:
            encoded = self.codec.encode(message)
            try:
                encoded = open_message(&span, encoded)
                try:
                    self.add(
                        first_byte(opcode, span.size, True, True), &span, encoded, key, ENCODED
                    )
                finally:
                    close_span(&span)
            except BaseException:
                self.codec = None
                raise
        finally:
            self.encoding = False
        self.encoded += PyBytes_GET_SIZE(message)
        if self.encoded >= CORK_LIMIT:
            self.crowded = True
            self.encoded = 0
        return True

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

    # Sending

    def channels(self):
        cdef Membership member
        return [member.channel for member in memberships_of(self)]

    def settle(self):
        settle(self)

    cpdef uncork(self):
        self.corked = False
        self.flush()

    cpdef flush(self):
        if self.buffer is None or (self.out is None and self.done is None):
            return
        if self.state:
            self.state = SENDING_MORE
        else:
            self.deliver(None)

    cpdef pass_on(self, data):
        cdef list fresh
        if not self.state:
            self.deliver(data)
            return
        fresh = []
        self.finish_out(fresh)
        self.keep(fresh, data, len(data))
        self.state = SENDING_MORE

    cdef int deliver(self, object output, Py_ssize_t start=0) except -1:
        """Send *output* from *start* on, or what was written if it is None, as the only sender.

        Whoever wants to send something meanwhile, be it another thread, a signal handler or the
        transport itself, leaves it to us: it must not come between two parts of ours.
        """
        cdef bint done = False
        if self.failed:
            return 0
        self.state = SENDING
        try:
            if output is not None:
                self.send_output(output, start)
            else:
                self.state = SENDING_MORE
            while self.state == SENDING_MORE and (self.out is not None or self.done is not None):
                self.state = SENDING
                self.reads_at_flush = self.buffer.reads
                output = self.take_out() if self.done is None else self.take()
                if not self.transport_closes():
                    self.send_output(output, 0)
            done = True
        except Exception as error:
            self.send_error = error
            raise
        finally:
            self.state = NOT_SENDING
            if not done:  # nobody knows how much of it was sent
                self.fail()
        return 0

    cdef inline bint transport_closes(self) except -1:
        if self.ours is not None:
            return self.ours.closing
        return self.is_closing() if self.records is None else self.records.closes()

    cdef inline bint has_socket(self) noexcept:
        """Whether the transport is one of a socket, plain and not of an unknown kind."""
        return self.ours is not None or self.fileno is not None

    cdef int send_output(self, object output, Py_ssize_t sent) except -1:
        if isinstance(output, list):
            self.idle = False
            if len(output) > 1:
                self.owner.write_all(output)
                return 0
            output = output[0]
        if self.ours is not None:
            self.ours.send(output, sent)
            return 0
        if self.records is not None:
            self.records.send(memoryview(output)[sent:] if sent else output)
            return 0
        if PyBytes_CheckExact(output) and self.may_bypass():
            sent += self.send_to_socket(<bytes>output, sent)
        if len(output) > sent:
            self.idle = False
            self.transport.write(memoryview(output)[sent:] if sent else output)
        return 0

    cdef int send_shared(self, bytes frames, Py_ssize_t start, Py_ssize_t messages) except -1:
        """Send *frames* from *start* on, with so many *messages*, which others get as well."""
        self.messages += messages
        self.nbytes += PyBytes_GET_SIZE(frames) - start
        self.reads_at_flush = self.buffer.reads
        if self.transport_closes():
            return 0
        if self.state:  # another thread has begun meanwhile
            self.pass_on(frames[start:])
        else:
            self.deliver(frames, start)
        return 0

    cdef bint may_bypass(self) except -1:
        """Whether to write to the socket itself, which is faster than the transport.

        Only while the transport holds nothing: what it holds comes first. Its buffer stays empty
        until we give it something, so it is not asked again before that.
        """
        if not self.idle and self.fileno is not None:
            self.idle = not self.transport.get_write_buffer_size()
        return self.idle

    cdef Py_ssize_t send_to_socket(self, bytes data, Py_ssize_t start) except -1:
        """Return how many bytes the system took, 0 after an error.

        The transport will meet the error, too, and handles it. But the system tells some errors
        only once: they are kept.
        """
        cdef Py_ssize_t sent
        cdef int descriptor = self.fileno()
        sent = wscore_send(
            descriptor, PyBytes_AS_STRING(data) + start, PyBytes_GET_SIZE(data) - start
        )
        if sent >= 0:
            return sent
        if sent != -EAGAIN:
            self.send_error = OSError(-sent, os.strerror(-sent))
        return 0

    cdef int fail(self) except -1:
        """Write nothing any more: output was lost, or part of it was sent."""
        self.failed = True
        self.out = self.done = None
        self.used = self.done_size = 0
        if self.transport is not None:
            try:
                self.transport.abort()
            except Exception:
                pass  # the caller is about to be told of the reason for all this
        return 0

    # Gathering

    def write(self, int opcode, payload=b"", bint fin=True, bint rsv1=False):
        cdef Span span
        cdef uint32_t key = next_key() if self.masked else 0
        payload = open_message(&span, payload)
        try:
            self.add(first_byte(opcode, span.size, fin, rsv1), &span, payload, key, PART)
        finally:
            close_span(&span)
        self.messages += fin and opcode < 8
        self.pings += opcode == 9

    cpdef list take(self):
        cdef list fresh, done
        if self.failed and self.transport is None:
            raise writer_failed()
        if self.done is None and self.out is None:
            return []
        fresh = []
        self.finish_out(fresh)
        if self.done is None:
            return fresh
        done = self.done
        self.done = None
        self.done_size = 0
        return done

    cdef bint add(
        self, uint8_t first, Span *span, object payload, uint32_t key, Kind kind
    ) except -1:
        """Add a frame behind those in `out`: | frame | frame | header | payload |

        Returns False, and does nothing, for a message that has to wait behind others.

        A large payload that needs no mask is not copied. What `out` holds moves to `done`, the
        payload follows it there as it is, and `out` starts anew:

            done: | out so far, header | payload |    out: | frames that come later |

        A payload that is masked without the GIL is not masked into `out`, which others may need.
        The whole frame is made apart and put into `done`, or it becomes `out`.
        """
        cdef object large = None
        cdef list fresh = None
        if span.size >= LEAVE_FROM:
            if self.masked:
                if span.size >= RELEASE_GIL_FROM:
                    large = whole_frame(first, span, True, key)
            elif PyBytes_CheckExact(payload) or PyUnicode_Check(payload):
                large = left_in_place(payload)
            fresh = None if large is None else []
        # From here on no other code runs, so that the frame is whole for everybody.
        if self.failed and kind == PART and self.transport is not None:
            return True  # as while the transport is closing
        if self.failed:
            raise writer_failed()
        if kind != PART and not self.accepting:
            raise self.protocol.refusal()
        if kind == MESSAGE and self.queueing:
            return False
        if large is None:
            self.add_copy(first, span, key)
        elif self.masked and self.out is None and self.done is None:
            self.out = <bytes>large
            self.used = PyBytes_GET_SIZE(large)
        elif self.masked:
            self.finish_out(fresh)
            self.keep(fresh, large, PyBytes_GET_SIZE(large))
        else:
            self.reserve(WSCORE_MAX_HEADER)
            self.used += wscore_write_header(self.end(), first, span.size, NULL)
            self.finish_out(fresh)
            self.keep(fresh, large, span.size)
        self.nbytes += wscore_header_size(span.size, self.masked) + span.size
        return True

    cdef inline int add_copy(self, uint8_t first, Span *span, uint32_t key) except -1:
        cdef uint8_t *payload
        self.reserve(wscore_header_size(span.size, self.masked) + span.size)
        payload = self.end()
        payload += wscore_write_header(
            payload, first, span.size, <uint8_t *>&key if self.masked else NULL
        )
        if self.masked:
            wscore_active.mask(payload, span.data, span.size, key)
        else:
            memcpy(payload, span.data, span.size)
        self.used += payload - self.end() + span.size
        return 0

    cdef inline uint8_t *end(self) noexcept:
        """Where the next frame goes."""
        return <uint8_t *>PyBytes_AS_STRING(self.out) + self.used

    cdef int keep(self, list fresh, object piece, Py_ssize_t size) except -1:
        """Put *piece* behind what is in `done`, or in *fresh*, an empty list, if there is none.

        To make a list is to run other code, so it has to be there before.
        """
        if self.done is None:
            self.done = fresh
        try:
            self.done.append(piece)
        except MemoryError:
            self.fail()
            raise
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
        if _PyBytes_Resize(&raw, size) < 0:  # which has freed it
            PyErr_Clear()
            self.fail()
            raise MemoryError
        self.out = <bytes>raw
        Py_DECREF(self.out)
        return 0

    cdef int finish_out(self, list fresh) except -1:
        """Move `out` to `done`, which becomes *fresh* if there is none."""
        cdef Py_ssize_t size = self.used
        if self.out is not None:
            self.keep(fresh, self.take_out(), size)
        return 0

    cdef bytes take_out(self):
        if PyBytes_GET_SIZE(self.out) != self.used:
            self.resize(self.used)
        out = self.out
        self.out = None
        self.used = 0
        return out
