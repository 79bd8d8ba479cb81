# One connection's share of a turn of the event loop. `share.py`, the twin, explains it.

cdef int few = FEW
cdef int some = SOME
cdef int most_between_looks = MOST_BETWEEN_LOOKS
cdef int turn_messages = TURN_MESSAGES
cdef double turn_seconds = TURN_SECONDS
cdef double send_seconds = SEND_SECONDS

cdef struct Share:
    double since  # when the clock was looked at first; 0 before that
    int taken
    int stride  # what `next_stride` returned last


cdef inline void begin_share(Share *share, Py_ssize_t messages) noexcept:
    share.since = 0
    share.taken = 0
    share.stride = few if messages <= some else 0


cdef Py_ssize_t next_stride(Share *share) noexcept:
    """How many messages may be handled before this is asked again; 0 ends the share."""
    if share.since == 0:
        if share.stride:
            share.stride = 0
            return few
        share.since, share.stride = monotonic(), few
        return few
    share.taken += share.stride
    if share.taken >= turn_messages or monotonic() - share.since >= turn_seconds:
        begin_share(share, turn_messages)
        return 0
    share.stride = min(max(few, 2 * share.taken), most_between_looks, turn_messages - share.taken)
    return share.stride


cdef bint is_used_up(Share *share) noexcept:
    """Whether its time is over, for what is not counted in messages; then a new one begins."""
    cdef double now = monotonic()
    if share.since == 0:
        share.since, share.stride = now, 0
    elif now - share.since >= turn_seconds:
        begin_share(share, turn_messages)
        return True
    return False


cdef bint is_patience_over(double *since, Py_ssize_t members) noexcept:
    """`Patience.is_over`; *since* is 0 before the wait has begun."""
    cdef double now = monotonic()
    if since[0] == 0:
        since[0] = now
    return now - since[0] > min(members * send_seconds, turn_seconds)
