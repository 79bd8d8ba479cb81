# A connection in channels. `membership.py`, the twin, explains it and documents what is public.

cdef enum:
    FEW_CHANNELS = 8  # memberships of a connection that are a chain; more are a dict


@cython.final
@cython.no_gc_clear
cdef class Membership:
    cdef readonly Channel channel
    cdef readonly FrameWriter writer
    cdef Py_ssize_t index
    cdef int64_t seen
    cdef Membership next  # of the connection

    def __init__(self, Channel channel not None, FrameWriter writer not None):
        self.channel, self.writer = channel, writer
        self.index, self.seen = len(channel.present), channel.end()

    cdef list take(self):
        # Before CPython 3.12 other code runs where a list is made, and changes the log.
        cdef list taken = []
        cdef Channel channel = self.channel
        cdef Py_ssize_t i
        for i in range(max(self.seen - channel.base, 0), PyList_GET_SIZE(channel.log)):
            taken.append(<object>PyList_GET_ITEM(channel.log, i))
        self.seen = channel.end()
        return taken


def _order(SharedMessage message not None):
    return message.order


# Of a connection ------------------------------------------------------------------------------

cdef Membership find_membership(Channel channel, FrameWriter writer):
    cdef Membership member
    if PyDict_CheckExact(writer.memberships):
        return (<dict>writer.memberships).get(channel)
    member = writer.memberships
    while member is not None and member.channel is not channel:
        member = member.next
    return member


cdef list memberships_of(FrameWriter writer):
    cdef list found = []
    cdef Membership member
    cdef object by_channel = writer.memberships
    if PyDict_CheckExact(by_channel):
        found.extend((<dict>by_channel).values())
        return found
    member = writer.memberships
    while member is not None:
        found.append(member)
        member = member.next
    return found


cdef int make_room(FrameWriter writer) except -1:
    """Have a full chain become a dict."""
    cdef Membership member
    cdef list members
    cdef dict by_channel
    if writer.memberships is None or PyDict_CheckExact(writer.memberships):
        return 0
    members = memberships_of(writer)
    if PyList_GET_SIZE(members) < FEW_CHANNELS:
        return 0
    by_channel = {}
    if PyDict_CheckExact(writer.memberships):  # a finalizer was here
        return 0
    # From here on no other code runs.
    member = writer.memberships
    while member is not None:
        by_channel[member.channel] = member
        member = member.next
    member = writer.memberships
    if member is not None:
        writer.memberships = by_channel
    while member is not None:
        member.next, member = None, member.next
    return 0


cdef int add_membership(FrameWriter writer, Membership member) except -1:
    if PyDict_CheckExact(writer.memberships):
        (<dict>writer.memberships)[member.channel] = member
        return 0
    member.next = writer.memberships
    writer.memberships = member
    return 0


cdef int remove_membership(FrameWriter writer, Membership member) except -1:
    cdef Membership before
    if PyDict_CheckExact(writer.memberships):
        del (<dict>writer.memberships)[member.channel]
        if not len(<dict>writer.memberships):
            writer.memberships = None
        return 0
    before = writer.memberships
    if before is member:
        writer.memberships = member.next
    else:
        while before.next is not member:
            before = before.next
        before.next = member.next
    member.next = None
    return 0


cdef bint has_other_news(FrameWriter writer, Membership member) except -1:
    """Whether something of another channel than that of *member* is still to go to it."""
    cdef Membership other
    cdef Channel channel
    if PyDict_CheckExact(writer.memberships):
        for channel in waiting_for(writer):
            if channel is not member.channel:
                other = find_membership(channel, writer)
                if other is not None and other.seen < channel.end():
                    return True
        return False
    other = writer.memberships
    while other is not None:
        if other is not member and other.seen < other.channel.end():
            return True
        other = other.next
    return False


cdef list members_with_news(FrameWriter writer):
    cdef Membership member
    cdef Channel channel
    cdef list found = []
    cdef list channels
    if PyDict_CheckExact(writer.memberships):
        # Other code may run while lists are made, and change everything.
        channels = waiting_for(writer)
        for channel in channels:
            member = find_membership(channel, writer)
            if member is not None and member.seen < channel.end():
                found.append(member)
        return found
    member = writer.memberships
    while member is not None:
        if member.seen < member.channel.end():
            found.append(member)
        member = member.next
    return found


cdef list waiting_for(FrameWriter writer):
    """The channels of a member of many that may have news for it."""
    cdef dict by_channel = writer.memberships
    cdef Channel channel
    for channel in by_channel:
        if len(channel.fanout.waiting) < len(by_channel):
            return list(channel.fanout.waiting)
        break
    return list(by_channel)


cdef int settle(FrameWriter writer) except -1:
    cdef list messages
    cdef Membership member
    cdef SharedMessage message
    cdef list found = members_with_news(writer)
    if not PyList_GET_SIZE(found):
        return 0
    try:
        messages = []
        for member in found:
            messages += member.take()
        if PyList_GET_SIZE(found) > 1:
            messages.sort(key=_order)
        if writer.queueing and writer.tap is None:
            writer.owner.share(messages)
            return 0
        for message in messages:
            try:
                add_shared(writer, message)
            except MemoryError as error:
                writer.fail()
                message.channel.fanout.report(error)
                break
            except Exception as error:
                message.channel.fanout.report(error)
    except BaseException:
        writer.fail()  # what was taken is lost
        raise
    return 0
