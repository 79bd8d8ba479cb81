# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, auto_pickle=False
"""The compiled backend: bytes to messages and messages to bytes over the loops in `_kernels/`.

`_backend.pure` is its twin, where the docstrings stand that both have (see `docstrings.pxi`).
"""

import os
from collections import deque
from contextvars import copy_context
from types import AsyncGeneratorType, CoroutineType, FunctionType
from warnings import warn

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_CheckExact, PyByteArray_GET_SIZE
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.dict cimport PyDict_CheckExact
from cpython.exc cimport (
    PyErr_ExceptionMatches, PyErr_Fetch, PyErr_Restore, PyErr_SetNone, PyErr_SetObject,
    PyErr_WriteUnraisable,
)
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.memoryview cimport PyMemoryView_Check
from cpython.object cimport PyObject, PyObject_GenericGetAttr, PyObject_GenericSetAttr
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.time cimport monotonic
from cpython.unicode cimport (
    PyUnicode_AsUTF8String, PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8,
)
from libc.errno cimport EAGAIN, EINTR
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ._backend.rules import (
    LARGE, MAX_FRAGMENTS, MAX_FRAME, MAX_SIZE, TLS_AT_ONCE, TLS_PIECE, TLS_PLAINTEXT, TLS_RECORDS,
    check_encodable, context_violation, decoded, fragment_too_big,
    header_violation, invalid_text, length_violation, message_too_big,
    not_a_connection, reader_in_use, too_many_fragments, used_after_failure,
    write_marks, writer_failed,
)
from ._backend.share import (
    FEW, FEW_MEMBERS, MEMBERS_BETWEEN_LOOKS, MOST_BETWEEN_LOOKS, MOST_GATHERED, SEND_SECONDS, SOME,
    TURN_MESSAGES, TURN_SECONDS,
)
from .errors import ConnectionClosedOK, PayloadTooBig, ProtocolError, SendQueueFull
from .codes import Opcode
from .frames import Close, Frame, FrameHeader
from ._backend.upgrade import Upgrade

cdef extern from "Python.h":
    unicode PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void *PyUnicode_DATA(object text)
    int PyUnicode_KIND(object text)
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    Py_ssize_t PY_SSIZE_T_MAX
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size)
    int PyUnicode_Resize(PyObject **text, Py_ssize_t size)
    void PyErr_Clear()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    object PyContext_Copy(object context)
    int PyErr_ResourceWarning(object source, Py_ssize_t level, const char *text) except -1

cdef extern from "_kernels/kernel.h" nogil:
    ctypedef struct wscore_kernel:
        const char *name
        void (*mask)(uint8_t *, const uint8_t *, size_t, uint32_t) noexcept nogil
        bint (*mask_ascii)(uint8_t *, const uint8_t *, size_t, uint32_t) noexcept nogil
        bint (*is_ascii)(const uint8_t *, size_t) noexcept nogil
        bint (*is_utf8)(const uint8_t *, size_t) noexcept nogil
        size_t (*utf8_count)(const uint8_t *, size_t, int *) noexcept nogil
        size_t (*utf8_widen)(void *, size_t, int, const uint8_t *, size_t) noexcept nogil
    const wscore_kernel *wscore_active
    const wscore_kernel *wscore_available(size_t index)
    bint wscore_select(const char *name)
    Py_ssize_t wscore_utf8_whole(const uint8_t *, size_t)
    uint32_t wscore_turn(uint32_t key, size_t turn)

cdef extern from "_kernels/cpu.h" nogil:
    unsigned wscore_cpu_features()
    const char *wscore_cpu_feature(size_t index, unsigned *bit)

cdef extern from "_kernels/header.h" nogil:
    ctypedef struct wscore_header:
        uint8_t first, second, size
        uint32_t key
        uint64_t length
    enum: WSCORE_MAX_HEADER, WSCORE_BAD_LENGTH, WSCORE_INCOMPLETE, WSCORE_WHOLE
    bint wscore_known_start(uint8_t first, uint8_t second)
    bint wscore_legal_start(uint8_t first, uint8_t second, bint masked, bint deflate, bint in_message)
    int wscore_parse_header(const uint8_t *p, size_t available, wscore_header *header)
    Py_ssize_t wscore_header_size(Py_ssize_t length, bint masked)
    Py_ssize_t wscore_write_header(uint8_t *out, uint8_t first, uint64_t length, const uint8_t *key)

cdef extern from "_kernels/upgrade.h" nogil:
    ctypedef struct wscore_text:
        const uint8_t *at
        size_t size
    ctypedef struct wscore_upgrade:
        size_t size
        wscore_text path, key, origin, extensions, cookie
    void wscore_init_upgrade()
    bint wscore_read_upgrade(const uint8_t *p, size_t size, wscore_upgrade *found)

cdef extern from "_kernels/send.h" nogil:
    Py_ssize_t wscore_send(int socket, const void *data, size_t size)

cdef extern from "_kernels/poller.h" nogil:
    ctypedef struct wscore_event:
        pass
    enum: WSCORE_HAS_POLLER, WSCORE_POLLER_IS_INHERITED, WSCORE_READABLE, WSCORE_WRITABLE
    int wscore_poller()
    int wscore_watch(int poller, int socket, uint64_t key, int before, int wanted)
    int wscore_ready(int poller, wscore_event *events, int most)
    uint64_t wscore_event_key(const wscore_event *event)
    int wscore_event_kind(const wscore_event *event)

cdef extern from "_kernels/sockets.h" nogil:
    ctypedef struct wscore_address:
        uint8_t family
        uint16_t port
        uint32_t flow, scope
    ctypedef struct wscore_piece:
        void *iov_base
        size_t iov_len
    enum: WSCORE_HOST_SIZE, WSCORE_PATH_SIZE
    Py_ssize_t wscore_recv(int socket, void *into, size_t size)
    Py_ssize_t wscore_send_pieces(int socket, wscore_piece *pieces, size_t count)
    int wscore_accept(int socket, wscore_address *peer)
    int wscore_name(int socket, bint of_peer, wscore_address *address)
    const char *wscore_host(const wscore_address *address, char *text)
    int wscore_path(int socket, bint of_peer, char *text)
    void wscore_no_delay(int socket)
    int wscore_end_writing(int socket)
    void wscore_close(int descriptor)
    bint wscore_spoils_one(int error)

# From this size on a call lets other threads run meanwhile. Two threads that mask gain from 256 KiB
# on (bench/gil.py), but one that computes keeps the GIL for 5 ms once it has it.
cdef extern from *:
    """
    #ifndef WSCORE_RELEASE_GIL_FROM  /* bench/gil.py builds others */
    #define WSCORE_RELEASE_GIL_FROM (1 << 20)
    #endif
    """
    const Py_ssize_t RELEASE_GIL_FROM "WSCORE_RELEASE_GIL_FROM"

cdef extern from *:
    """
    /* How long the str of ASCII, or the bytes, at *i* in a list is if nobody but the list has it and
       its memory may become another one's, else 0. */
    static Py_ssize_t wscore_spare_room(PyObject *list, Py_ssize_t i, int text) {
        PyObject *spare = PyList_GET_ITEM(list, i);
        if (Py_REFCNT(spare) != 1 || PyUnicode_CheckExact(spare) != text) return 0;
        if (!text) return PyBytes_CheckExact(spare) ? PyBytes_GET_SIZE(spare) : 0;
        if (!PyUnicode_IS_COMPACT_ASCII(spare) || PyUnicode_CHECK_INTERNED(spare)) return 0;
    #if PY_VERSION_HEX < 0x030C0000  /* a copy in wchar_t, which would outlive the text */
        if (((PyASCIIObject *)spare)->wstr != NULL) return 0;
    #endif
        return PyUnicode_GET_LENGTH(spare);
    }

    #if defined(__GNUC__)
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    #endif
    static void wscore_forget_hash(PyObject *spare) {
        if (PyUnicode_Check(spare)) ((PyASCIIObject *)spare)->hash = -1;
        else ((PyBytesObject *)spare)->ob_shash = -1;
    }
    #if defined(__GNUC__)
    #pragma GCC diagnostic pop
    #endif
    """
    Py_ssize_t wscore_spare_room(list spares, Py_ssize_t i, bint text)
    void wscore_forget_hash(object spare)

# So much of a text tells whether it is worth the try to copy it as ASCII.
cdef enum: ASCII_PROBE = 1024

cdef tuple OPCODES = tuple(Opcode(n) if n in set(Opcode) else None for n in range(16))


# Which kernel ---------------------------------------------------------------------------------

def _cpu_features():
    cdef unsigned bit = 0
    cdef size_t index = 0
    cdef const char *name
    found = []
    while (name := wscore_cpu_feature(index, &bit)) != NULL:
        if wscore_cpu_features() & bit:
            found.append(name.decode())
        index += 1
    return tuple(found)


def kernels():
    cdef size_t index = 0
    cdef const wscore_kernel *kernel
    names = []
    while (kernel := wscore_available(index)) != NULL:
        names.append(kernel.name.decode())
        index += 1
    return tuple(names)


def current_kernel():
    return wscore_active.name.decode()


def use_kernel(str name not None):
    if "\0" in name or not wscore_select(name.encode()):
        raise ValueError(f"kernel {name!r} is not available here, only {', '.join(kernels())}")


wscore_select(NULL)
CPU_FEATURES = _cpu_features()


# Buffers --------------------------------------------------------------------------------------

cdef struct Span:
    uint8_t *data
    Py_ssize_t size
    bint held
    Py_buffer view


cdef inline int open_span(Span *span, object data) except -1:
    """Borrow the bytes of any C-contiguous buffer; exact types skip the buffer protocol, which
    costs more than masking 1 KiB.

    A small bytearray is not held then, and may be resized by any code that runs. So between this
    and the last look at the bytes no other code may run: no call of Python code, and, because of
    finalizers, no object made that the garbage collector knows. From RELEASE_GIL_FROM on it is
    held. Where other code has to run, see `hold_span`."""
    span.held = False
    if PyBytes_CheckExact(data):
        span.data = <uint8_t *>PyBytes_AS_STRING(data)
        span.size = PyBytes_GET_SIZE(data)
    elif PyByteArray_CheckExact(data) and PyByteArray_GET_SIZE(data) < RELEASE_GIL_FROM:
        span.data = <uint8_t *>PyByteArray_AS_STRING(data)
        span.size = PyByteArray_GET_SIZE(data)
    else:
        hold_span(span, data, PyBUF_SIMPLE)
    return 0


cdef int hold_span(Span *span, object data, int flags) except -1:
    """Borrow the bytes and keep them from being resized, whatever code runs meanwhile."""
    PyObject_GetBuffer(data, &span.view, flags)
    span.data = <uint8_t *>span.view.buf
    span.size = span.view.len
    span.held = True
    return 0


cdef inline void close_span(Span *span) noexcept:
    if span.held:
        PyBuffer_Release(&span.view)


cdef inline uint32_t take_key(object mask, Py_ssize_t offset) except? 0:
    cdef uint32_t key
    cdef Span span
    if PyBytes_CheckExact(mask) and PyBytes_GET_SIZE(mask) == 4 and offset == 0:
        memcpy(&key, PyBytes_AS_STRING(mask), 4)
        return key
    open_span(&span, mask)
    cdef bint four = span.size == 4
    if four:
        memcpy(&key, span.data, 4)
    close_span(&span)
    if not four:
        raise ValueError("mask must be 4 bytes")
    if offset < 0:
        raise ValueError("offset must not be negative")
    return wscore_turn(key, offset)


cdef inline void mask_into(uint8_t *dst, const uint8_t *src, Py_ssize_t size, uint32_t key) noexcept:
    if size < RELEASE_GIL_FROM:
        wscore_active.mask(dst, src, size, key)
    else:
        with nogil:
            wscore_active.mask(dst, src, size, key)


cdef inline bytes masked_bytes(const uint8_t *src, Py_ssize_t size, uint32_t key):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, size)
    mask_into(<uint8_t *>PyBytes_AS_STRING(out), src, size, key)
    return out


# Masking --------------------------------------------------------------------------------------

def apply_mask(data, mask, Py_ssize_t offset=0):
    cdef Span span
    cdef uint32_t key = take_key(mask, offset)
    open_span(&span, data)
    try:
        return masked_bytes(span.data, span.size, key)
    finally:
        close_span(&span)


def apply_mask_inplace(buffer, mask, Py_ssize_t offset=0):
    cdef Span span
    cdef uint32_t key
    if PyByteArray_CheckExact(buffer):
        key = take_key(mask, offset)
        open_span(&span, buffer)
    else:
        hold_span(&span, buffer, PyBUF_WRITABLE)
        try:
            key = take_key(mask, offset)
        except BaseException:
            close_span(&span)
            raise
    mask_into(span.data, span.data, span.size, key)
    close_span(&span)


cpdef void _websocket_mask_cython(bytes mask, bytearray data):
    """aiohttp's masking function, for its compiled reader and its writer."""
    apply_mask_inplace(data, mask)


# UTF-8 ----------------------------------------------------------------------------------------

cdef bint utf8_is_valid(const uint8_t *src, Py_ssize_t size) noexcept:
    cdef bint valid
    if size < RELEASE_GIL_FROM:
        return wscore_active.is_utf8(src, size)
    with nogil:
        valid = wscore_active.is_utf8(src, size)
    return valid


cdef unicode decode(const uint8_t *src, Py_ssize_t size):
    """Text of valid or invalid UTF-8; None when invalid.

    Other threads may write to *src* meanwhile: what does not fit into the text is not written.
    """
    cdef const wscore_kernel *kernel = wscore_active  # another thread may choose another one
    cdef int width = 0
    cdef size_t count, written
    cdef void *into
    cdef unicode text
    # CPython shares the strings of one character.
    if kernel.utf8_count == NULL or size <= 2:
        try:
            return PyUnicode_DecodeUTF8(<const char *>src, size, NULL)
        except UnicodeDecodeError:
            return None
    if kernel.is_ascii(src, min(size, ASCII_PROBE)):
        text = PyUnicode_New(size, 0x7f)
        if copy_ascii(<uint8_t *>PyUnicode_DATA(text), src, size):
            return text
    if not utf8_is_valid(src, size):
        return None
    count = kernel.utf8_count(src, size, &width)
    text = PyUnicode_New(count, 0xff if width == 1 else 0xffff if width == 2 else 0x10ffff)
    into = PyUnicode_DATA(text)
    if size < RELEASE_GIL_FROM:
        written = kernel.utf8_widen(into, count, width, src, size)
    else:
        with nogil:
            written = kernel.utf8_widen(into, count, width, src, size)
    return text if written == count else None


cdef bint copy_ascii(uint8_t *into, const uint8_t *src, Py_ssize_t size) noexcept:
    """Copy as long as it is ASCII; whether that was all of it."""
    cdef bint ascii
    if size < RELEASE_GIL_FROM:
        return wscore_active.mask_ascii(into, src, size, 0)
    with nogil:
        ascii = wscore_active.mask_ascii(into, src, size, 0)
    return ascii


cdef unicode masked_text(const uint8_t *src, Py_ssize_t size, uint32_t key):
    """Unmask, check and decode in one pass while everything is ASCII; None if it is no UTF-8."""
    cdef unicode text = PyUnicode_New(size, 0x7f)
    cdef uint8_t *into = <uint8_t *>PyUnicode_DATA(text)
    if wscore_active.mask_ascii(into, src, size, key) and size != 1:
        return text
    return decode(into, size)


def is_utf8(data, /):
    cdef Span span
    open_span(&span, data)
    cdef bint valid = utf8_is_valid(span.data, span.size)
    close_span(&span)
    return valid


def decode_utf8(data, /):
    cdef Span span
    if PyBytes_CheckExact(data):
        open_span(&span, data)
    else:
        hold_span(&span, data, PyBUF_SIMPLE)  # an error is an object for the garbage collector
    try:
        text = decode(span.data, span.size)
        if text is None:
            # For its error, which says where.
            text = PyUnicode_DecodeUTF8(<const char *>span.data, span.size, NULL)
        return text
    finally:
        close_span(&span)


@cython.final
cdef class Utf8Validator:
    cdef uint8_t open[4]  # a code point that the last piece left open
    cdef uint8_t open_size
    cdef bint failed

    @property
    def complete(self):
        return not self.open_size and not self.failed

    def feed(self, data, /):
        cdef Span span
        open_span(&span, data)
        if not self.failed:
            self.failed = not self.check(span.data, span.size)
        close_span(&span)
        return not self.failed

    def reset(self):
        self.open_size = 0
        self.failed = False

    cdef bint check(self, const uint8_t *src, Py_ssize_t size) noexcept:
        cdef Py_ssize_t whole
        while self.open_size and size:
            self.open[self.open_size] = src[0]
            self.open_size += 1
            src += 1
            size -= 1
            whole = wscore_utf8_whole(self.open, self.open_size)
            if whole < 0:
                return False
            if whole:
                self.open_size = 0
        if size:
            whole = wscore_utf8_whole(src, size)
            if whole < 0:
                return False
            self.open_size = <uint8_t>(size - whole)
            memcpy(self.open, src + whole, self.open_size)
        return True


# Frames ---------------------------------------------------------------------------------------

def parse_header(data, Py_ssize_t offset=0):
    cdef Span span
    cdef wscore_header h
    cdef int status = WSCORE_INCOMPLETE
    open_span(&span, data)
    try:
        if not 0 <= offset <= span.size:
            raise ValueError("offset outside the data")
        if span.size - offset >= 2:
            if not wscore_known_start(span.data[offset], span.data[offset + 1]):
                raise header_violation(span.data[offset], span.data[offset + 1])
            status = wscore_parse_header(span.data + offset, span.size - offset, &h)
    finally:
        close_span(&span)
    if status == WSCORE_INCOMPLETE:
        return None
    if status == WSCORE_BAD_LENGTH:
        raise length_violation(h.length)
    mask = PyBytes_FromStringAndSize(<char *>&h.key, 4) if h.second & 0x80 else None
    return FrameHeader(
        h.first & 0x80 != 0, h.first >> 4 & 7, OPCODES[h.first & 0x0f], mask, h.length, h.size
    )


cdef inline uint8_t first_byte(int opcode, Py_ssize_t size, bint fin, bint rsv1) except? 0:
    if (opcode == 1 or opcode == 2) or (8 <= opcode <= 10 and fin and not rsv1 and size <= 125) or (
        opcode == 0 and not rsv1
    ):
        return <uint8_t>(opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0))
    check_encodable(opcode, size, fin, rsv1)
    raise AssertionError("check_encodable let an illegal frame pass")


def encode_frame(int opcode, payload=b"", *, bint fin=True, bint rsv1=False, mask=None):
    cdef Span span
    cdef uint32_t key = 0
    if mask is not None:
        key = take_key(mask, 0)
    open_span(&span, payload)
    try:
        return whole_frame(first_byte(opcode, span.size, fin, rsv1), &span, mask is not None, key)
    finally:
        close_span(&span)


cdef bytes whole_frame(uint8_t first, Span *span, bint masked, uint32_t key):
    cdef uint8_t head[WSCORE_MAX_HEADER]
    cdef Py_ssize_t size = wscore_write_header(
        head, first, span.size, <uint8_t *>&key if masked else NULL
    )
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, size + span.size)
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(frame)
    memcpy(out, head, size)
    mask_into(out + size, span.data, span.size, key)
    return frame


include "_backend/reader.pxi"
include "_backend/writer.pxi"
include "_backend/share.pxi"
include "_backend/delivery.pxi"
include "_backend/awaitables.pxi"
include "_backend/dispatcher.pxi"
include "_backend/shared.pxi"
include "_backend/membership.pxi"
include "_backend/channel.pxi"
include "_backend/fanout.pxi"
HAS_REACTOR = bool(WSCORE_HAS_POLLER)

include "_backend/reactor.pxi"
include "_backend/addresses.pxi"
include "_backend/pieces.pxi"
include "_backend/socket_transport.pxi"
include "_backend/acceptor.pxi"
include "_backend/upgrade.pxi"
include "_backend/tls_records.pxi"
include "_backend/docstrings.pxi"
