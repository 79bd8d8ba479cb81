# What our own transport holds until the system takes it: a chain of pieces.

cdef enum:
    MOST_PIECES = 64  # to a write


@cython.final
@cython.no_gc
cdef class Piece:
    """Something to be sent. The garbage collector does not know it: to make one runs no code."""

    cdef object data
    cdef Py_ssize_t start, size
    cdef Piece next


cdef object as_piece(object data):
    """*data* as bytes, or as a view of what nobody changes. Raises TypeError."""
    if PyBytes_CheckExact(data):
        return data
    view = memoryview(data)
    if view.readonly and view.c_contiguous and view.ndim == 1 and view.itemsize == 1:
        return view
    return bytes(view)


cdef Py_ssize_t send_chain(int descriptor, Piece piece) except? -1:
    """Send a chain by one system call; returns how many bytes the system took, or -errno."""
    cdef wscore_piece pieces[MOST_PIECES]
    cdef Span spans[MOST_PIECES]
    cdef Py_ssize_t sent
    cdef int i, count = 0
    while piece is not None and count < MOST_PIECES:
        open_span(&spans[count], piece.data)
        pieces[count].iov_base = spans[count].data + piece.start
        pieces[count].iov_len = spans[count].size - piece.start
        count += 1
        piece = piece.next
    sent = wscore_send_pieces(descriptor, pieces, count)
    for i in range(count):
        close_span(&spans[i])
    return sent


cdef Piece piece_after(Piece piece, Py_ssize_t sent):
    """What a chain begins with, from where it begins, once *sent* bytes are gone; None if all are."""
    while piece is not None and sent >= piece.size - piece.start:
        sent -= piece.size - piece.start
        piece = piece.next
    if piece is not None:
        piece.start += sent
    return piece
