# Which sockets of one event loop are ready. The loop has the descriptor of an epoll of ours among
# its readers and calls `run`, which asks once for all that is ready: no object of the loop for each
# socket, and no call of it for each event.
#
#   loop: epoll_wait   one event of ours     -> Reactor.run
#   run:  epoll_wait   key, key, key, ...    -> Source.ready of each
#
# The same readiness is reported again while it lasts, so nothing is lost when a callback raises an
# exception, and a loop that is run within a callback may call `run` again.

cdef enum:
    MOST_EVENTS = 256  # of a batch
    MOST_ROUNDS = 8  # with 32 asyncio echoes 2 % more, and its timers are 2 ms late instead of 0.7

cdef unsigned forks = 0  # in this process and those that it was forked from


def _count_fork():
    global forks
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


cdef OSError system_error(int number):
    return OSError(number, os.strerror(number))


cdef class Source:
    """A socket that a reactor watches."""

    cdef Reactor reactor
    cdef int descriptor  # -1 after the end
    cdef uint32_t number  # of all that the reactor has watched
    cdef uint8_t watched  # what the system was asked to report

    cdef int ready(self, int kind) except -1:
        """Do what the socket is ready for; *kind* may be of something that is no longer wanted."""
        raise NotImplementedError


@cython.final
cdef class Reactor:
    """The sockets of one event loop.

    *loop* is a weak reference to it: the sockets hold their loop, the reactor does not. *run_once*
    is what the loop's class must have to be a loop that cannot be run within itself, None for any.
    *wrap_socket* makes a socket object, and what of it is shown to applications, of a descriptor.
    """

    cdef object __weakref__
    cdef int poller
    cdef unsigned forked  # the value of `forks` when it was made
    cdef uint32_t numbered
    cdef ReadBuffer buffer
    cdef object loop, run_once, wrap_socket
    cdef list sources  # by descriptor; they live as long as they are watched

    def __cinit__(self):
        self.poller = -1

    def __init__(self, ReadBuffer buffer not None, loop, run_once, wrap_socket):
        if self.poller >= 0:
            raise RuntimeError("a reactor is made once")
        self.buffer = buffer
        self.loop, self.run_once, self.wrap_socket = loop, run_once, wrap_socket
        self.sources = []
        self.forked = forks
        self.poller = wscore_poller()
        if self.poller < 0:
            raise system_error(-self.poller)

    def __dealloc__(self):
        if self.poller >= 0 and (WSCORE_POLLER_IS_INHERITED or self.forked == forks):
            wscore_close(self.poller)

    def fileno(self):
        """What the loop watches."""
        return self.poller

    def __len__(self):
        """How many sockets there are."""
        return len(self.sources) - self.sources.count(None)

    def run(self):
        """Serve every socket that is ready; the loop calls this."""
        if self.run_once is not None:
            loop = self.loop()
            # The loop enters the context of this callback, which nobody can enter twice. So a loop
            # that may be run within itself calls what serves in a context of its own.
            if loop is not None and type(loop)._run_once is not self.run_once:
                loop.call_soon(self.serve)
                return
        self.serve_ready()

    def serve(self):
        """`run`, in a context of its own."""
        self.serve_ready()

    cdef int serve_ready(self) except -1:
        """Serve the sockets that are ready, and those that have become so meanwhile.

        To ask in vain costs a tenth of a turn of asyncio's loop. Four connections with one message
        in flight are answered in 24 us so, and in 40 us if each batch is a turn of its own.
        """
        cdef double until
        cdef int rounds = MOST_ROUNDS
        if self.forked != forks:
            return 0  # the sockets are those of our parent
        until = monotonic() + turn_seconds
        while self.serve_batch() and rounds and monotonic() < until:
            rounds -= 1
        return 0

    cdef int serve_batch(self) except -2:
        """Ask once, and serve all who are ready. Returns how many there were."""
        cdef wscore_event events[MOST_EVENTS]
        cdef Source source
        cdef int i, count
        count = wscore_ready(self.poller, events, MOST_EVENTS)
        for i in range(count):
            source = self.find(wscore_event_key(&events[i]))
            if source is not None:
                source.ready(wscore_event_kind(&events[i]))
        return max(count, 0)

    cdef Source find(self, uint64_t key):
        """Who the event is for, None if it is gone; its descriptor may be another one's by now."""
        cdef size_t descriptor = key & 0xffffffffu
        cdef object found = None
        if descriptor < <size_t>len(self.sources):
            found = self.sources[descriptor]
        if found is None or (<Source>found).number != key >> 32:
            return None
        return <Source>found

    cdef int add(self, Source source, int descriptor) except -1:
        """Take in *source* under its *descriptor*; nothing is reported of it before `watch`."""
        if descriptor >= len(self.sources):
            self.sources.extend([None] * (descriptor + 1 - len(self.sources)))
        self.numbered += 1
        source.reactor, source.descriptor = self, descriptor
        source.number, source.watched = self.numbered, 0
        self.sources[descriptor] = source
        return 0

    cdef int watch(self, Source source, int wanted) except -1:
        cdef int status
        if wanted == source.watched:
            return 0
        if self.forked == forks:  # else it would take them from our parent, who shares the epoll
            status = wscore_watch(
                self.poller, source.descriptor,
                <uint64_t>source.number << 32 | <uint32_t>source.descriptor, source.watched, wanted,
            )
            if status < 0 and wanted:
                raise system_error(-status)
        source.watched = wanted
        return 0

    cdef bint is_of_another(self, Source source) except -1:
        """Whether the descriptor of *source* has become that of another one."""
        cdef size_t descriptor = source.descriptor
        cdef object found = None
        if descriptor < <size_t>len(self.sources):
            found = self.sources[descriptor]
        return found is not None and found is not source

    cdef int remove(self, Source source) except -1:
        """Forget *source*: nothing is reported of it from here on, nor of this batch."""
        cdef size_t descriptor = source.descriptor
        if descriptor < <size_t>len(self.sources) and self.sources[descriptor] is source:
            self.watch(source, 0)
            self.sources[descriptor] = None
        return 0
