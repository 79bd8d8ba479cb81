# The fast path of an opening handshake: requests as most clients send them.

wscore_init_upgrade()


cdef inline object text_of(wscore_text text):
    if text.at is NULL:
        return None
    return PyUnicode_DecodeLatin1(<const char *>text.at, <Py_ssize_t>text.size, NULL)


def read_upgrade(bytes data not None, /):
    cdef wscore_upgrade found
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(data)
    if not wscore_read_upgrade(start, <size_t>PyBytes_GET_SIZE(data), &found):
        return None
    return Upgrade(
        found.size,
        text_of(found.path),
        text_of(found.key),
        text_of(found.origin),
        text_of(found.extensions),
        found.cookie.at is not NULL,
    )
