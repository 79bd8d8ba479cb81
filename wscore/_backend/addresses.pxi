# Addresses of sockets as Python's own sockets give them.

cdef object named(wscore_address *address):
    """An address as Python's sockets give it."""
    cdef char text[WSCORE_HOST_SIZE]
    host = (<bytes>wscore_host(address, text)).decode()
    if address.family == 4:
        return host, address.port
    return host, address.port, address.flow, address.scope


cdef object path_of(int descriptor, bint of_peer):
    """The name of a unix socket as Python gives it: bytes in the abstract namespace of Linux."""
    cdef char text[WSCORE_PATH_SIZE]
    cdef int size = wscore_path(descriptor, of_peer, text)
    if size < 0:
        return None
    if size and not text[0]:
        return PyBytes_FromStringAndSize(text, size)
    return os.fsdecode(PyBytes_FromStringAndSize(text, size))
